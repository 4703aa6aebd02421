"""Where an answer leads is the user's to decide, and what it leaves behind is nobody's."""

import pytest
from network_support import CHAT, KEY, KINDS
from raw_server import reply, serving

from nexevo_async import APIStatusError, AsyncNexevo, Limits

ONE = KINDS[0]


@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
@pytest.mark.parametrize("origin", ["same", "another"])
async def test_a_redirect_is_an_error_that_names_its_target(kind, status, origin):
    async with serving(kind.answer) as away:
        elsewhere = away.base_url.replace("//", "//user:canary@")
        target = f"{elsewhere if origin == 'another' else ''}/place?canary=1#canary"
        async with serving(reply(b"", status, [f"Location: {target}"])) as server:
            with pytest.raises(APIStatusError) as caught:
                await kind(server.base_url)
            assert len(server.seen) == 1
        assert away.connections == 0
    shown = (
        f"{away.base_url}/place" if origin == "another" else f"http://127.0.0.1:{server.port}/place"
    )
    assert f"redirects to {shown}, which is not followed" in str(caught.value)
    assert "name its new place as base_url" in str(caught.value)
    assert (caught.value.status, caught.value.attempts) == (status, 1)
    assert "canary" not in f"{caught.value}{vars(caught.value)}"


@pytest.mark.parametrize(
    ("location", "shown"),
    [
        ([], "nowhere"),
        (["Location: //elsewhere.example/a"], "http://elsewhere.example/a"),
        (["Location: models/"], "/v1/models/"),
        (["Location: http://[elsewhere/"], "what is no URL"),
        (["Location: /caf\u00e9"], r"/caf\xe9"),
    ],
)
async def test_whatever_the_target_is_like(location, shown):
    async with serving(reply(b"", 302, location)) as server:
        with pytest.raises(APIStatusError) as caught:
            await ONE(server.base_url)
    assert f"{shown}, which is not followed" in str(caught.value)
    str(caught.value).encode("ascii")


async def test_a_redirected_stream_leaves_its_seat_and_its_connection():
    limits = Limits(max_connections=1, max_streams=1)
    async with serving(reply(b"", 307, ["Location: /"]), *[ONE.answer] * 2) as server:
        async with AsyncNexevo(KEY, base_url=server.base_url, limits=limits) as client:
            with pytest.raises(APIStatusError):
                await client.chat.completions.create(**CHAT, stream=True)
            await client.models.list()
            await client.models.list()
        assert [seen.connection for seen in server.seen] == [1, 1, 1]


async def test_two_tenants_on_one_client_share_no_cookie():
    cookie = ["Set-Cookie: session=canary; Path=/", "Set-Cookie: other=canary; Domain=localhost"]
    async with serving(reply(b'{"object":"list","data":[]}', headers=cookie)) as server:
        url = server.base_url.replace("127.0.0.1", "localhost")
        async with AsyncNexevo("first", base_url=url) as client:
            second = client.with_options(api_key="second")
            for tenant in (client, second, client, second):
                await tenant.models.list()
        async with AsyncNexevo("third", base_url=url) as client:
            await client.models.list()
        keys = [seen.header("authorization") for seen in server.seen]
        assert keys == [f"Bearer {k}" for k in ("first", "second", "first", "second", "third")]
        assert [seen.header("cookie") for seen in server.seen] == [None] * 5
        assert [seen.connection for seen in server.seen] == [1, 1, 1, 1, 2]
