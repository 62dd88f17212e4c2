"""Serves what tenants publish: scripts, styles and the manifest, beside the proxy."""
