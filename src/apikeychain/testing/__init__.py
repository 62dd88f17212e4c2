"""For authors of plugs: one contract class a port, and honest fakes."""
