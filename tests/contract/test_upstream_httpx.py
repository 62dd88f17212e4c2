from contextlib import AbstractAsyncContextManager

from apikeychain.backends.upstream_httpx import HttpxUpstream
from apikeychain.ports.upstream import Guard, Upstream
from apikeychain.testing.upstream import UpstreamContract


class TestHttpxUpstream(UpstreamContract):
    def make(self, guard: Guard) -> AbstractAsyncContextManager[Upstream]:
        return HttpxUpstream(guard)
