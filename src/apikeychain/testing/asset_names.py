"""Names and prefixes of objects in an AssetStore, and what is none, for tests of one."""

from apikeychain.model.asset import AssetPrefix
from apikeychain.model.ids import ProjectId, TenantId

SHOP = AssetPrefix(TenantId("acme"), ProjectId("p_" + "a" * 20))
# Others that begin or end like it: of the same tenant, and of tenants beside it.
BESIDE = (
    AssetPrefix(TenantId("acme"), ProjectId("p_" + "a" * 19 + "b")),
    AssetPrefix(TenantId("acm"), SHOP.project),
    AssetPrefix(TenantId("acme2"), SHOP.project),
    AssetPrefix(TenantId("acme-p_"), SHOP.project),
    AssetPrefix(TenantId("Acme"), SHOP.project),
)
NAME = "0123456789abcdef" * 2
NO_NAMES = (
    "",
    "../" + NAME,
    f"../../{BESIDE[0].path}{NAME}",
    "..%2f" + NAME[:27],
    "%252e%252e%252f" + NAME[:17],
    ".",
    "..",
    "/" + NAME[:31],
    NAME[:16] + "/" + NAME[:15],
    NAME[:16] + "\\" + NAME[:15],
    NAME + "\0",
    NAME[:31] + "\0",
    NAME + "\n",
    NAME.upper(),
    NAME[:31],
    "0" * 5000,
    "\N{FULLWIDTH DIGIT ONE}" * 32,
    "\ud800" + NAME[:31],
)
NO_PREFIXES = (
    ("", SHOP.project),
    ("..", SHOP.project),
    ("acme/x", SHOP.project),
    ("acme%2fx", SHOP.project),
    ("acme", ""),
    ("acme", "p_1"),
    ("acme", "../" + "a" * 19),
    ("acme", SHOP.project.upper()),
    ("acme", SHOP.project + "\n"),
    ("a" * 5000, SHOP.project),
)
