from contextlib import AbstractAsyncContextManager

from apikeychain.backends.upstream_aiohttp import AiohttpUpstream
from apikeychain.ports.upstream import Guard, Upstream
from apikeychain.testing.upstream import UpstreamContract


class TestAiohttpUpstream(UpstreamContract):
    def make(self, guard: Guard) -> AbstractAsyncContextManager[Upstream]:
        return AiohttpUpstream(guard)
