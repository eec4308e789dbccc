"""What every service stands on: settings, database, bus, web, identity. It knows no service."""
