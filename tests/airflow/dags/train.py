"""A training DAG, scheduled on the dataset: every new version starts it."""

from datetime import datetime

from airflow.sdk import DAG, Asset, task

DATASET = Asset("potable://churn/customer_churn")

with DAG("train", schedule=[DATASET], start_date=datetime(2025, 1, 1)):

    @task
    def fit(triggering_asset_events=None):  # type: ignore[no-untyped-def]
        """What to train on."""
        return [event.extra for event in triggering_asset_events[DATASET]]

    fit()
