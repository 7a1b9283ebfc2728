"""What was reported, as the catalog looks it up."""


def test_names_that_no_database_holds_are_nobodys(catalog):
    assert catalog.feedback.recipients(set(), {"a\x00b@x.org": 7}) == {}
    assert catalog.feedback.last({"a\x00b@x.org"}) == {}
