"""The papers' protocols: grids of trainings on real tiles, and what comes out of them, with intervals."""
