"""The exports by name. Importing this loads none of the packages that they need."""

from __future__ import annotations

from ...errors import unknown_name
from .exporter import ExportSpec

EXPORTS: dict[str, ExportSpec] = {
    spec.name: spec
    for spec in (
        ExportSpec(
            "csv", "csv_file", "A line for each number of each model", "text", "a file, or - to print it", "scores.csv"
        ),
        ExportSpec(
            "json",
            "json_document",
            "Everything: scores, comparisons, what is missing, models, tasks, versions",
            "text",
            "a file, or - to print it",
            "scores.json",
        ),
        ExportSpec(
            "parquet",
            "parquet_file",
            "The lines of csv with types; models, tasks and versions in the file's metadata",
            "file",
            "a file",
            "scores.parquet",
        ),
        ExportSpec(
            "hugging-face",
            "hugging_face",
            "The headline numbers of one model as model-index of a model card",
            "text",
            "a card (.md), merged into it if it is there; a .yaml file, or - to print the block",
            "model-index.yaml",
            "hugging-face",
            ("huggingface_hub", "yaml"),
        ),
        ExportSpec(
            "mlflow",
            "mlflow_runs",
            "A run for each model: numbers as metrics, what they are of as parameters",
            "address",
            "a tracking address, such as http://HOST:5000; by default MLflow's own",
            "",
            "mlflow",
            ("mlflow",),
        ),
        ExportSpec(
            "tensorboard",
            "tensorboard_events",
            "A folder of events for each model; checkpoints of one training share one, as steps",
            "folder",
            "a folder",
            "tensorboard",
            "tensorboard",
            ("tensorboard",),
        ),
    )
}
"""In the order of the listing; a new export is added here."""


def export_spec(name: str) -> ExportSpec:
    """An export by name.

    Raises:
        UnknownNameError: With the nearest names.
    """
    if name not in EXPORTS:
        raise unknown_name("export", name, EXPORTS)
    return EXPORTS[name]
