"""Alembic's folder: env.py runs on the connection that database.py hands over; versions/ has the steps."""
