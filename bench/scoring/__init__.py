"""From stored predictions to scores, comparisons and verdicts."""
