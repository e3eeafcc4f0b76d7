"""What a run found, as pages, tables, drawings and a runbook. Draws what ``verdict`` decided."""
