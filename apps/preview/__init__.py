"""Draws dashboards against a live Prometheus into one HTML file, without Grafana."""

from storescope.apps.preview._page import page

__all__ = ["page"]
