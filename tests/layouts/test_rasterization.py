from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests_layouts_strategies import label_maps, layouts, outlines

