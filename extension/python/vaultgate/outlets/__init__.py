"""How the broker's answers leave the extension."""
