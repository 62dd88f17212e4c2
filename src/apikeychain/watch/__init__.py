"""Acts on what was noticed: suspend and lift."""
