from own_interpreter import succeeds


def test_a_call_takes_at_most_twice_the_function_calls_of_plain_aiohttp():
    succeeds("bench.calls")


def test_a_call_in_flight_keeps_little_more_for_the_collector_than_with_plain_aiohttp():
    succeeds("bench.objects")
