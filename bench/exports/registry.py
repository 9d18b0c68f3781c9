"""The exports by name. Importing this loads none of the packages that they need."""

from __future__ import annotations

from ...errors import unknown_name
from .exporter import ExportSpec

EXPORTS: dict[str, ExportSpec] = {
    spec.name: spec
    for spec in (
        ExportSpec(
            "csv", "csv_file", "One row per score of each model", "text", "a file, or - to print it", "scores.csv"
        ),
        ExportSpec(
            "json",
            "json_document",
            "Everything: scores, comparisons, missing data, models, tasks, versions",
            "text",
            "a file, or - to print it",
            "scores.json",
        ),
        ExportSpec(
            "parquet",
            "parquet_file",
            "The rows of csv with types; models, tasks and versions in the file's metadata",
            "file",
            "a file",
            "scores.parquet",
        ),
        ExportSpec(
            "hugging-face",
            "hugging_face",
            "The headline numbers of one model as the model-index of a model card",
            "text",
            "a card (.md; merged if it exists) or a .yaml file; - to print the block",
            "model-index.yaml",
            "hugging-face",
            ("huggingface_hub", "yaml"),
        ),
        ExportSpec(
            "mlflow",
            "mlflow_runs",
            "One run per model, with scores as metrics and tasks and models as parameters",
            "address",
            "a tracking address, such as http://HOST:5000; MLflow's own by default",
            "",
            "mlflow",
            ("mlflow",),
        ),
        ExportSpec(
            "tensorboard",
            "tensorboard_events",
            "One folder of events per model; checkpoints of one training run share a folder, as steps",
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
