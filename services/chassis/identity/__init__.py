"""From a bearer token to who is asking. It knows neither the web nor who issued the token."""
