"""Signs and posts webhooks as Telnyx does."""
