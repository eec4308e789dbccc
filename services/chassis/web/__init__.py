"""The HTTP edge that every service shares: errors, conditions, cursors, limits. It knows no service's nouns."""
