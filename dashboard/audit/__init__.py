"""Tells who listened to whom, and what else the audit holds, in words: grouped, filtered and exported."""
