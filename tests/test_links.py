import base64
import json
import os
import re
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from digest import links
from digest.errors import BadLink, ConfigError
from digest.links import Key, Links, Purpose, new_public_id

NOW = datetime(2026, 1, 30, 6, tzinfo=UTC)
ID = "Zm9vYmFyMQ4"


def key(name: str) -> Key:
    return Key(name, name.encode() * 32)


def one_key() -> Links:
    return Links([key("a")], b"pepper" * 4)


def token(purpose: Purpose = Purpose.UNSUBSCRIBE) -> str:
    return one_key().sign(purpose, ID, at=NOW)


def flipped(text: str) -> list[str]:
    raw = text.encode("ascii")
    places = [(place, 1 << bit) for place in range(len(raw)) for bit in range(8)]
    return [(raw[:p] + bytes([raw[p] ^ bit]) + raw[p + 1 :]).decode("latin-1") for p, bit in places]


@pytest.mark.parametrize("purpose", Purpose)
def test_what_was_signed_is_read_back(purpose):
    assert one_key().read(token(purpose), purpose, NOW) == ID


@pytest.mark.parametrize("purpose", Purpose)
def test_no_bit_of_a_token_can_be_flipped(purpose):
    for wrong in flipped(token(purpose)):
        with pytest.raises(BadLink):
            one_key().read(wrong, purpose, NOW)


@pytest.mark.parametrize("purpose", Purpose)
def test_a_token_for_one_purpose_is_none_for_another(purpose):
    for other in set(Purpose) - {purpose}:
        with pytest.raises(BadLink):
            one_key().read(token(purpose), other, NOW)


def test_a_token_that_does_not_expire_has_32_url_safe_characters():
    assert len(one_key().sign(Purpose.VOTE, new_public_id())) == 32
    assert re.fullmatch(r"[A-Za-z0-9_.-]+", token(Purpose.CONFIRM))


@given(st.text())
def test_garbage_is_a_bad_link_and_nothing_else(garbage):
    for read in (lambda: one_key().read(garbage, Purpose.CONFIRM, NOW), lambda: one_key().read_return(garbage)):
        with pytest.raises(BadLink):
            read()


@given(st.from_regex(r"1\.[a-c]\.[A-Za-z0-9_-]{1,72}\.[A-Za-z0-9_-]{16}", fullmatch=True), st.sampled_from(Purpose))
def test_garbage_in_the_shape_of_a_token_is_a_bad_link(garbage, purpose):
    with pytest.raises(BadLink):
        one_key().read(garbage, purpose, NOW)


@pytest.mark.parametrize("spoil", ["{}=", "{}\n", " {}", "{}.", "{}A", "{}é", "\0{}"])
def test_there_is_one_spelling_of_a_token(spoil):
    with pytest.raises(BadLink):
        one_key().read(spoil.format(token()), Purpose.UNSUBSCRIBE)


def test_old_links_are_read_after_three_rotations_and_the_newest_key_signs():
    keys = [key("a"), key("b"), key("c"), key("d")]
    signed = [Links(keys[:n]).sign(Purpose.UNSUBSCRIBE, ID) for n in (1, 2, 3, 4)]
    assert [t[2] for t in signed] == ["a", "b", "c", "d"]
    assert [Links(keys).read(t, Purpose.UNSUBSCRIBE) for t in signed] == [ID] * 4
    back = [Links(keys[:n]).return_token(7) for n in (1, 2, 3, 4)]
    assert [Links(keys).read_return(t) for t in back] == [7] * 4


def test_links_of_a_removed_key_are_bad_and_the_others_stay_good():
    old, new = Links([key("a")]), Links([key("a"), key("b")])
    rest = Links([key("b")])
    with pytest.raises(BadLink):
        rest.read(old.sign(Purpose.UNSUBSCRIBE, ID), Purpose.UNSUBSCRIBE)
    with pytest.raises(BadLink):
        rest.read_return(old.return_token(7))
    assert rest.read(new.sign(Purpose.UNSUBSCRIBE, ID), Purpose.UNSUBSCRIBE) == ID


def test_another_secret_under_the_same_id_makes_bad_links():
    with pytest.raises(BadLink):
        Links([Key("a", b"another secret!!")]).read(token(), Purpose.UNSUBSCRIBE)


@pytest.mark.parametrize(("purpose", "life"), links.LIFETIME.items())
def test_what_expires_is_good_to_its_last_second_and_says_that_it_expired(purpose, life):
    assert one_key().read(token(purpose), purpose, NOW + life) == ID
    with pytest.raises(BadLink, match="expired") as caught:
        one_key().read(token(purpose), purpose, NOW + life + timedelta(seconds=1))
    assert caught.value.expired


@pytest.mark.parametrize("purpose", sorted(set(Purpose) - set(links.LIFETIME)))
def test_the_other_links_never_expire(purpose):
    assert one_key().read(token(purpose), purpose, NOW + timedelta(days=36500)) == ID


def test_a_forged_token_is_never_called_expired():
    with pytest.raises(BadLink) as caught:
        one_key().read(token(Purpose.CONFIRM)[:-1] + "_", Purpose.CONFIRM, NOW + timedelta(days=9))
    assert not caught.value.expired


def test_signing_or_reading_what_expires_without_the_time_is_a_bug_not_an_eternal_link():
    with pytest.raises(ValueError, match="time of issue"):
        one_key().sign(Purpose.CONFIRM, ID)
    with pytest.raises(ValueError, match="needs the time"):
        one_key().read(token(Purpose.CONFIRM), Purpose.CONFIRM)


@pytest.mark.parametrize("public_id", ["", "a.b", "a/b", "é", "x" * 65])
def test_what_is_no_public_id_is_not_signed(public_id):
    with pytest.raises(ValueError, match="no public id"):
        one_key().sign(Purpose.VOTE, public_id)


def test_public_ids_are_random_and_short():
    ids = {new_public_id() for _ in range(1000)}
    assert len(ids) == 1000
    assert {len(i) for i in ids} == {11}


def test_a_message_id_is_stable_under_rotation_and_differs_by_subscriber_and_turn():
    pepper = b"pepper" * 4
    first, later = Links([key("a")], pepper), Links([key("a"), key("b")], pepper)
    name = first.message_id(7, ID, "2026-01-30", "news.example.org")
    assert re.fullmatch(r"[0-9a-f]{24}@news\.example\.org", name)
    assert later.message_id(7, ID, "2026-01-30", "news.example.org") == name
    assert first.message_id(7, ID, "2026-01-31", "news.example.org") != name
    assert first.message_id(7, "other", "2026-01-30", "news.example.org") != name


@given(number=st.integers(0, 2**31 - 1))
def test_only_we_can_read_in_a_message_id_which_subscriber_it_is_for(number):
    name = one_key().message_id(number, ID, "2026-01-30", "news.example.org")
    assert one_key().named(name) == number
    assert name[16:24] != f"{number:08x}"
    assert one_key().named("somebody@else.example") == one_key().named("") == 0
    assert 0 <= Links([key("b")], b"another pepper").named(name) < 2**31


def test_a_fingerprint_tells_an_address_again_after_rotation_and_needs_the_pepper():
    pepper = b"pepper" * 4
    first, later = Links([key("a")], pepper), Links([key("b")], pepper)
    assert first.fingerprint("anna@example.org") == later.fingerprint("anna@example.org")
    assert first.fingerprint("anna@example.org") != first.fingerprint("ann@example.org")
    assert first.fingerprint("anna@example.org") != Links([key("a")]).fingerprint("anna@example.org")


@given(st.integers(0, 2**40 - 1))
def test_a_return_token_is_short_and_survives_a_change_of_case(digest_id):
    back = one_key().return_token(digest_id)
    assert re.fullmatch("[a-z0-9]{31}", back)
    assert one_key().read_return(back) == one_key().read_return(back.upper()) == digest_id


def test_no_bit_of_a_return_token_can_be_flipped_but_for_its_case():
    back = one_key().return_token(1234)
    for wrong in (w for w in flipped(back) if w.lower() != back):
        with pytest.raises(BadLink):
            one_key().read_return(wrong)


@pytest.mark.parametrize(("name", "secret"), [("A", b"x" * 32), ("ab", b"x" * 32), ("", b"x" * 32), ("a", b"short")])
def test_a_key_is_checked_when_it_is_made(name, secret):
    with pytest.raises(ValueError, match="key"):
        Key(name, secret)


def test_two_keys_of_one_id_and_no_key_at_all_are_refused():
    for keys in ([], [key("a"), key("a")]):
        with pytest.raises(ValueError, match="id of its own"):
            Links(keys)


def test_a_key_does_not_show_its_secret():
    assert "secret" not in repr(Key("a", b"a very secret secret"))


# ---------------------------------------------------------------- the key file


def test_a_created_file_is_private_and_its_links_work_after_loading_twice(tmp_path: Path):
    path = tmp_path / "digest.keys"
    links.create(path)
    assert path.stat().st_mode & 0o777 == 0o600
    signed = links.load(path).sign(Purpose.UNSUBSCRIBE, ID)
    assert links.load(path).read(signed, Purpose.UNSUBSCRIBE) == ID
    assert links.load(path).fingerprint("a@b") == links.load(path).fingerprint("a@b")


def test_two_files_have_different_keys_and_peppers(tmp_path: Path):
    for name in ("one", "two"):
        links.create(tmp_path / name)
    one, two = links.load(tmp_path / "one"), links.load(tmp_path / "two")
    assert one.sign(Purpose.VOTE, ID) != two.sign(Purpose.VOTE, ID)
    assert one.fingerprint("a@b") != two.fingerprint("a@b")


def test_an_existing_key_file_is_never_overwritten(tmp_path: Path):
    path = tmp_path / "digest.keys"
    path.write_text("precious")
    with pytest.raises(ConfigError, match=re.escape(f"{path}: exists already")):
        links.create(path)
    assert path.read_text() == "precious"


def test_a_key_file_that_cannot_be_created_is_named(tmp_path: Path):
    with pytest.raises(ConfigError, match="cannot be created: No such file or directory"):
        links.create(tmp_path / "no" / "digest.keys")


def test_a_full_disk_leaves_no_half_key_file(tmp_path: Path, monkeypatch):
    def full(_handle: int) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(ConfigError, match="cannot be written: No space left"):
        links.create(tmp_path / "digest.keys")
    assert list(tmp_path.iterdir()) == []


def test_a_missing_key_file_names_the_way_out(tmp_path: Path):
    with pytest.raises(ConfigError, match="digest init"):
        links.load(tmp_path / "digest.keys")


def test_a_folder_in_the_place_of_the_key_file_is_named(tmp_path: Path):
    with pytest.raises(ConfigError, match=re.escape(f"{tmp_path}: cannot be read: Is a directory")):
        links.load(tmp_path)


@pytest.mark.parametrize("mode", [0o640, 0o604, 0o644, 0o660])
def test_a_key_file_that_others_can_read_is_refused(tmp_path: Path, mode):
    path = tmp_path / "digest.keys"
    links.create(path)
    path.chmod(mode)
    with pytest.raises(ConfigError, match=re.escape(f"chmod 600 {path}")):
        links.load(path)


SECRET = base64.b64encode(b"x" * 32).decode()
GOOD = {"keys": [{"id": "a", "secret": SECRET}], "pepper": SECRET}


@pytest.mark.parametrize(
    "text",
    [
        "",
        "{",
        "[]",
        "[" * 100_000,
        "\x80",
        "{}",
        json.dumps(GOOD | {"keys": []}),
        json.dumps(GOOD | {"keys": "ab"}),
        json.dumps(GOOD | {"keys": [{"id": 1, "secret": SECRET}]}),
        json.dumps(GOOD | {"keys": [{"id": "a", "secret": SECRET[:8]}]}),
        json.dumps(GOOD | {"keys": [{"id": "a", "secret": "not base64!"}]}),
        json.dumps(GOOD | {"keys": [{"id": "a", "secret": None}]}),
        json.dumps(GOOD | {"pepper": ""}),
    ],
)
def test_a_malformed_key_file_is_named_and_not_quoted(tmp_path: Path, text):
    path = tmp_path / "digest.keys"
    path.write_bytes(text.encode("latin-1"))
    path.chmod(0o600)
    with pytest.raises(ConfigError, match=re.escape(f"{path}: no key file")) as caught:
        links.load(path)
    assert SECRET not in str(caught.value)


def test_a_key_file_lists_keys_oldest_first(tmp_path: Path):
    path = tmp_path / "digest.keys"
    path.write_text(json.dumps(GOOD | {"keys": [{"id": "a", "secret": SECRET}, {"id": "b", "secret": SECRET}]}))
    path.chmod(0o600)
    assert links.load(path).sign(Purpose.VOTE, ID).startswith("1.b.")
