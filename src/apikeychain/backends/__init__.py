"""Ready-made plugs, one file or folder each, which know their port and nothing of the house."""
