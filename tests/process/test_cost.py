from own_interpreter import succeeds


def test_a_call_takes_at_most_twice_the_function_calls_of_plain_aiohttp():
    succeeds("bench.calls")
