"""Contract tests and fakes for engines of one's own, written for pytest (which `pip install pytest` brings).

`pytest.register_assert_rewrite("harness.testing")` in a conftest.py makes failing tests show the values they compare.
"""
