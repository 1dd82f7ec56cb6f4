"""The Pulumi programs, inline: one module per stack kind; each is a function of its inputs and nothing else."""
