"""The management verbs: what a tenant's projects are made of, changed in one transaction at a time."""
