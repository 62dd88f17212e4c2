"""Keys at providers: made, tried, switched to and ended, by whichever worker comes first."""
