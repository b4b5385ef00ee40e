"""Everything that speaks Telnyx' language; no Django in here."""
