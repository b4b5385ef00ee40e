"""A local Telnyx: the REST API, signed webhooks and a floor that lives, without Django and without the internet."""
