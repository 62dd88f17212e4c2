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
NO_NAMES = {
    "empty": "",
    "above": "../" + NAME,
    "above the prefix": f"../../{BESIDE[0].path}{NAME}",
    "encoded": "..%2f" + NAME[:27],
    "encoded twice": "%252e%252e%252f" + NAME[:17],
    "a dot": ".",
    "two dots": "..",
    "absolute": "/" + NAME[:31],
    "a slash": NAME[:16] + "/" + NAME[:15],
    "a backslash": NAME[:16] + "\\" + NAME[:15],
    "NUL": NAME + "\0",
    "NUL inside": NAME[:31] + "\0",
    "a line feed": NAME + "\n",
    "upper case": NAME.upper(),
    "short": NAME[:31],
    "long": "0" * 5000,
    "digits of another script": "\N{FULLWIDTH DIGIT ONE}" * 32,
    "a half character": "\ud800" + NAME[:31],
}
NO_PREFIXES = {
    "no tenant": ("", SHOP.project),
    "above": ("..", SHOP.project),
    "a slash in the tenant": ("acme/x", SHOP.project),
    "encoded": ("acme%2fx", SHOP.project),
    "no project": ("acme", ""),
    "a short project": ("acme", "p_1"),
    "a project above": ("acme", "../" + "a" * 19),
    "a project in upper case": ("acme", SHOP.project.upper()),
    "a project with a line feed": ("acme", SHOP.project + "\n"),
    "a long tenant": ("a" * 5000, SHOP.project),
}
