"""Alerts: written down with what they are about, and sent until every sink has them."""
