"""What makes Headgate and its proxies observable once they are installed: dashboards, alerts, and a reference."""
