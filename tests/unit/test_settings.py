"""One typed object for all settings: what wins, what is read, what is refused, what is never shown."""

from __future__ import annotations

import subprocess
import sys
import traceback
from pathlib import Path

import pytest

from toril.errors import InvalidSettings
from toril.settings import Settings, mask_url

PETCARE = """\
MAIL_HOST=smtp.gmail.com
MAIL_PORT=587
MAIL_USER=your_email@gmail.com
MAIL_PASSWORD=your_app_password  # Use App Password for Gmail
MAIL_FROM_ADDRESS=noreply@petcare.com
MAIL_FROM_NAME=PAW LOVERS

# Redis (for queue)
REDIS_HOST=localhost
REDIS_PORT=6379
REDIS_PASSWORD=  # Leave empty if no password
"""
PETCARE_REDIS = """\
# Redis Configuration (for email queue)
REDIS_HOST=localhost
REDIS_PORT=6379
REDIS_PASSWORD=
"""
COURSES = "EMAIL_QUEUE_CONCURRENCY=5\n"
SHOP = """\
# Redis Configuration
REDIS_HOST=localhost
REDIS_PORT=6379
REDIS_PASSWORD=          # Optional, leave empty for local development

# Worker Health Check (Optional)
WORKER_HEALTH_CHECK_PORT=3001

# Email Configuration (already configured)
EMAIL_SERVICE=gmail
EMAIL_USER=your_email@gmail.com
EMAIL_PASS=your_app_password
FROM_NAME=ModernShop
"""
BANKING = "REDIS_HOST=cache\nREDIS_QUEUE_HOST=queue\n"
CLINIC = "REDIS_HOST=localhost\nREDIS_PORT=6379\nREDIS_PASSWORD=your-password-here\n"


def load(env=None, **arguments):
    """Settings from `env` alone."""
    return Settings(env=env or {}, dotenv=None, **arguments)


@pytest.fixture
def dotenv(tmp_path):
    """Settings from the text of a `.env` file, below `env`."""

    def write(text, env=None, encoding="utf-8"):
        path = tmp_path / "settings.env"
        path.write_bytes(text.encode(encoding))
        return Settings(env=env or {}, dotenv=path)

    return write


# The five documents' own blocks


def test_petcare(dotenv):
    settings = dotenv(PETCARE)

    assert settings.mail_url == "smtp+starttls://your_email%40gmail.com:your_app_password@smtp.gmail.com:587"
    assert settings.mail_from == "PAW LOVERS <noreply@petcare.com>"
    assert settings.redis_password is None
    assert settings.store_url == "redis://localhost:6379"
    assert dotenv(PETCARE_REDIS).store_url == "redis://localhost:6379"


def test_courses(dotenv):
    assert dotenv(COURSES).email_queue_concurrency == 5
    assert dotenv("EMAIL_QUEUE_CONCURRENCY=8").email_queue_concurrency == 8


def test_shop(dotenv):
    settings = dotenv(SHOP)

    assert settings.mail_url == "smtps://your_email%40gmail.com:your_app_password@smtp.gmail.com:465"
    assert settings.mail_from == "ModernShop <your_email@gmail.com>"
    assert settings.redis_password is None
    assert settings.worker_health_check_port == 3001


def test_banking_has_a_redis_of_its_own_for_queues(dotenv):
    assert dotenv(BANKING).store_url == "redis://queue:6379"


def test_clinic(dotenv):
    assert dotenv(CLINIC).store_url == "redis://:your-password-here@localhost:6379"


# What wins


def test_defaults():
    settings = load()

    assert settings.store_url == "sqlite:///toril.db"
    assert settings.mail_url is None
    assert settings.mail_from is None
    assert (settings.prefix, settings.timezone, settings.sqlite_synchronous) == ("bull", "UTC", "NORMAL")
    assert (settings.lease, settings.grace, settings.deploy_grace) == (10, 30, 600)


def test_argument_environment_dotenv_default(dotenv, tmp_path):
    lower = "TORIL_PREFIX=dotenv\nTORIL_TIMEZONE=Asia/Ho_Chi_Minh\nTORIL_LEASE=20\n"
    settings = dotenv(lower, {"TORIL_PREFIX": "environment", "TORIL_LEASE": "30"})

    assert (settings.prefix, settings.timezone) == ("environment", "Asia/Ho_Chi_Minh")
    assert settings.origin("prefix") == ("environment", "TORIL_PREFIX")
    assert settings.origin("timezone") == (".env", "TORIL_TIMEZONE")
    assert settings.origin("grace") == ("default", "TORIL_GRACE")

    given = Settings(env={"TORIL_LEASE": "30"}, dotenv=tmp_path / "settings.env", lease=40.0)
    assert given.lease == 40
    assert given.origin("lease") == ("argument", "lease")


@pytest.mark.parametrize("empty", ["", " ", "\t"])
def test_empty_means_unset(dotenv, empty):
    settings = dotenv("TORIL_PREFIX=dotenv\nREDIS_HOST=\n", {"TORIL_PREFIX": empty, "REDIS_PORT": empty})

    assert settings.prefix == "dotenv"
    assert settings.redis_port == 6379
    assert settings.store_url == "sqlite:///toril.db"


@pytest.mark.parametrize("unset", [None, ""])
def test_an_argument_that_says_nothing_leaves_the_setting_to_the_environment(unset):
    assert load({"TORIL_URL": "sqlite:///jobs.db"}, url=unset).store_url == "sqlite:///jobs.db"


def test_of_two_names_the_first_that_is_set_wins():
    assert load({"MAIL_USER": "a", "EMAIL_USER": "b"}).mail_user == "a"
    assert load({"MAIL_USER": "", "EMAIL_USER": "b"}).mail_user == "b"
    assert load({"EMAIL_USER": "b"}).origin("mail_user") == ("environment", "EMAIL_USER")


def test_a_second_name_in_the_environment_wins_over_the_first_in_dotenv(dotenv):
    assert dotenv("MAIL_USER=a\n", {"EMAIL_USER": "b"}).mail_user == "b"


def test_an_environment_given_is_the_only_one_read(monkeypatch):
    monkeypatch.setenv("TORIL_PREFIX", "process")

    assert load().prefix == "bull"
    assert Settings(dotenv=None).prefix == "process"


def test_dotenv_of_the_working_directory_is_read_if_there_is_one(monkeypatch, tmp_path):
    monkeypatch.chdir(tmp_path)
    assert Settings(env={}).prefix == "bull"

    (tmp_path / ".env").write_text("TORIL_PREFIX=here\n")
    assert Settings(env={}).prefix == "here"


# What `.env` means


@pytest.mark.parametrize(
    ("line", "password"),
    [
        ("MAIL_PASSWORD=plain", "plain"),
        ("MAIL_PASSWORD = spaced ", "spaced"),
        ("export MAIL_PASSWORD=exported", "exported"),
        ("MAIL_PASSWORD=  # only a comment", None),
        ("MAIL_PASSWORD=\t# only a comment", None),
        ("\n\nMAIL_PASSWORD=  # only a comment = #", None),
        ("MAIL_PASSWORD=", None),
        ("MAIL_PASSWORD", None),
        ("MAIL_PASSWORD=a#b", "a#b"),
        ("MAIL_PASSWORD=#b = #c", "#b ="),
        ("MAIL_PASSWORD= '#quoted' # comment", "#quoted"),
        ('MAIL_PASSWORD=" x # y "', " x # y "),
        ("MAIL_PASSWORD=pa$$word${HOME}", "pa$$word${HOME}"),
        ("MAIL_PASSWORD=first\nMAIL_PASSWORD=second", "second"),
    ],
)
def test_values_in_dotenv(dotenv, line, password):
    found = dotenv(f"{line}\n").mail_password

    assert (found and found.get_secret_value()) == password


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig"])
def test_dotenv_is_utf8_with_or_without_mark_and_with_any_line_ends(dotenv, encoding):
    settings = dotenv("MAIL_FROM_NAME=Café\r\nMAIL_FROM_ADDRESS=a@example.com\r\n", encoding=encoding)

    assert settings.mail_from == "Café <a@example.com>"


def test_a_line_that_cannot_be_read_is_named(dotenv):
    with pytest.raises(InvalidSettings, match=r"settings\.env, line 4: expected NAME=value"):
        dotenv('TORIL_PREFIX=x\n\n\nMAIL_PASSWORD="secret" and more\n')


def test_dotenv_that_is_not_utf8(dotenv):
    with pytest.raises(InvalidSettings, match=r"settings\.env'.*not UTF-8"):
        dotenv("MAIL_FROM_NAME=Café", encoding="latin-1")


def test_dotenv_that_was_asked_for_must_be_there(tmp_path):
    with pytest.raises(InvalidSettings, match=r"prod\.env'.*No such file"):
        Settings(env={}, dotenv=tmp_path / "prod.env")


# Secrets in files


@pytest.mark.parametrize("end", ["", "\n", "\r\n"])
def test_name_file(tmp_path, end):
    secret = tmp_path / "secret"
    secret.write_bytes(f" s3cret {end}".encode())
    settings = load({"MAIL_PASSWORD_FILE": str(secret)})

    assert settings.mail_password is not None
    assert settings.mail_password.get_secret_value() == " s3cret "
    assert settings.origin("mail_password") == ("file", "MAIL_PASSWORD_FILE")


def test_name_file_works_for_second_names_and_in_dotenv(dotenv, tmp_path):
    (tmp_path / "user").write_text("ana\n")

    assert dotenv(f"EMAIL_USER_FILE={tmp_path / 'user'}\n").mail_user == "ana"


def test_an_empty_file_means_unset(tmp_path):
    (tmp_path / "empty").write_text("\n")

    assert load({"REDIS_PASSWORD_FILE": str(tmp_path / "empty")}).redis_password is None


def test_name_and_name_file_at_once(tmp_path):
    with pytest.raises(InvalidSettings, match="MAIL_PASSWORD and MAIL_PASSWORD_FILE") as caught:
        load({"MAIL_PASSWORD": "hunter2", "MAIL_PASSWORD_FILE": str(tmp_path)})

    assert "hunter2" not in str(caught.value)


@pytest.mark.parametrize(("path", "reason"), [("missing", "No such file"), (".", "Is a directory")])
def test_a_file_that_cannot_be_read_is_named(tmp_path, path, reason):
    with pytest.raises(InvalidSettings, match=f"MAIL_PASSWORD_FILE=.*{reason}"):
        load({"MAIL_PASSWORD_FILE": str(tmp_path / path)})


def test_a_file_that_something_above_makes_needless_is_not_read(dotenv):
    settings = dotenv("MAIL_PASSWORD_FILE=/run/secrets/missing\n", {"MAIL_PASSWORD": "mine"})

    assert settings.origin("mail_password") == ("environment", "MAIL_PASSWORD")


# Store, transport and sender


@pytest.mark.parametrize(
    ("env", "url"),
    [
        ({"TORIL_URL": "sqlite:///x.db", "REDIS_HOST": "r"}, "sqlite:///x.db"),
        ({"REDIS_HOST": "r", "REDIS_PORT": "6380"}, "redis://r:6380"),
        ({"REDIS_HOST": "r", "REDIS_PASSWORD": "p@:/?#%"}, "redis://:p%40%3A%2F%3F%23%25@r:6379"),
        ({"REDIS_HOST": "::1"}, "redis://[::1]:6379"),
        ({"REDIS_QUEUE_HOST": "[fe80::1]"}, "redis://[fe80::1]:6379"),
        ({"REDIS_PORT": "6380", "REDIS_PASSWORD": "p"}, "sqlite:///toril.db"),
    ],
)
def test_store_url(env, url):
    assert load(env).store_url == url


@pytest.mark.parametrize(
    ("env", "url"),
    [
        ({"TORIL_MAIL_URL": "console://", "MAIL_HOST": "m"}, "console://"),
        ({"MAIL_HOST": "m"}, "smtp+starttls://m:587"),
        ({"MAIL_HOST": "m", "MAIL_PORT": "465"}, "smtps://m:465"),
        ({"MAIL_HOST": "m", "MAIL_PORT": "1025"}, "smtp://m:1025"),
        ({"MAIL_HOST": "m", "EMAIL_SERVICE": "gmail"}, "smtp+starttls://m:587"),
        ({"EMAIL_SERVICE": "Outlook"}, "smtp+starttls://smtp-mail.outlook.com:587"),
        ({"EMAIL_SERVICE": "gmail", "MAIL_PORT": "587"}, "smtp+starttls://smtp.gmail.com:587"),
        ({"MAIL_HOST": "m", "MAIL_USER": "u@x", "MAIL_PASSWORD": "a b/:@"}, "smtp+starttls://u%40x:a%20b%2F%3A%40@m:587"),
        ({"MAIL_USER": "u", "MAIL_PASSWORD": "p"}, None),
    ],
)  # fmt: skip
def test_mail_url(env, url):
    assert load(env).mail_url == url


@pytest.mark.parametrize(
    ("env", "sender"),
    [
        ({"MAIL_FROM_ADDRESS": "a@b.de"}, "a@b.de"),
        ({"MAIL_FROM_ADDRESS": "a@b.de", "MAIL_FROM_NAME": 'Doe, "J"'}, '"Doe, \\"J\\"" <a@b.de>'),
        ({"MAIL_FROM_ADDRESS": "a@b.de", "MAIL_USER": "u@x.de", "FROM_NAME": "Shop"}, "Shop <a@b.de>"),
        ({"MAIL_USER": "u@x.de"}, "u@x.de"),
        ({"MAIL_USER": "apikey", "MAIL_FROM_NAME": "Shop"}, None),
    ],
)
def test_mail_from(env, sender):
    assert load(env).mail_from == sender


# What is refused


@pytest.mark.parametrize(
    ("name", "value", "expected"),
    [
        ("REDIS_PORT", "0", "a port number, 1 to 65535"),
        ("REDIS_PORT", "tcp://10.0.0.11:6379", "a port number, 1 to 65535"),
        ("MAIL_PORT", "65536", "a port number, 1 to 65535"),
        ("WORKER_HEALTH_CHECK_PORT", "http", "a port number, 1 to 65535"),
        ("EMAIL_QUEUE_CONCURRENCY", "0", "a whole number, 1 or more"),
        ("EMAIL_QUEUE_CONCURRENCY", "2.5", "a whole number, 1 or more"),
        ("TORIL_LEASE", "0.5", "seconds, 1 or more"),
        ("TORIL_GRACE", "-1", "seconds, 0 or more"),
        ("TORIL_GRACE", "nan", "seconds, 0 or more"),
        ("TORIL_DEPLOY_GRACE", "inf", "seconds, 0 or more"),
        ("TORIL_DEPLOY_GRACE", "10m", "seconds, 0 or more"),
        ("TORIL_TIMEZONE", "Mars/Base", "an IANA time zone"),
        ("TORIL_TIMEZONE", "Europe", "an IANA time zone"),
        ("TORIL_TIMEZONE", "../../etc/passwd", "an IANA time zone"),
        ("TORIL_SQLITE_SYNCHRONOUS", "OFF", "NORMAL or FULL"),
        ("TORIL_PREFIX", "a:b", "text without spaces and colons; braces around all of it or none"),
        ("TORIL_TEMPLATES", "/no/such/folder", "a folder that exists"),
        ("EMAIL_SERVICE", "gmial", "one of brevo, fastmail, gmail"),
        ("MAIL_HOST", "smtp.example.com:587", "a host name or an IP address"),
        ("REDIS_HOST", "redis://localhost", "a host name or an IP address"),
        ("REDIS_QUEUE_HOST", "user@host", "a host name or an IP address"),
        ("MAIL_FROM_ADDRESS", "noreply", "one address, without a name"),
        ("MAIL_FROM_ADDRESS", "Shop <a@b.de>", "one address, without a name"),
        ("MAIL_FROM_ADDRESS", "a@b.de\nBcc: c@d.de", "one address, without a name"),
        ("MAIL_FROM_NAME", "Shop\r\nBcc: c@d.de", "one line of text"),
        ("EMAIL_USER", "a\nb", "one line of text"),
    ],
)
def test_a_bad_value_is_named_with_what_was_expected(name, value, expected):
    with pytest.raises(InvalidSettings) as caught:
        load({name: value})

    assert str(caught.value).startswith(f"{name}={value!r} (environment): expected {expected}")


def test_all_bad_values_are_named_at_once(dotenv):
    with pytest.raises(InvalidSettings) as caught:
        dotenv("REDIS_PORT=x\nTORIL_LEASE=y\n", {"MAIL_PORT": "z"})

    assert sorted(line.partition("=")[0] for line in str(caught.value).splitlines()) == [
        "MAIL_PORT",
        "REDIS_PORT",
        "TORIL_LEASE",
    ]


@pytest.mark.parametrize(
    ("name", "hint"),
    [
        ("TORIL_URLL", "did you mean TORIL_URL"),
        ("TORIL_TIMEZON_FILE", "did you mean TORIL_TIMEZONE_FILE"),
        ("TORIL_REDIS_HOST", "did you mean REDIS_HOST"),
        ("TORIL_XYZZY", "docs/settings.md lists them"),
    ],
)
def test_an_unknown_toril_variable_is_refused_wherever_it_stands(dotenv, name, hint):
    with pytest.raises(InvalidSettings, match=rf"^{name} \(environment\): .*{hint}"):
        load({name: "x"})
    with pytest.raises(InvalidSettings, match=rf"^{name} \(\.env\): .*{hint}"):
        dotenv(f"{name}=x\n")


def test_what_others_set_is_let_be(dotenv):
    kubernetes = {
        "TORIL_SERVICE_HOST": "10.0.0.11",
        "TORIL_SERVICE_PORT_HTTP": "80",
        "TORIL_PORT": "tcp://10.0.0.11:80",
        "TORIL_WEB_PORT_80_TCP_ADDR": "10.0.0.11",
    }

    assert dotenv("DATABASE_URL=x\nMAIL_DRIVER=smtp\n", {"EMAIL_BACKEND": "x", **kubernetes}) == load()


def test_an_argument_that_does_not_exist():
    with pytest.raises(InvalidSettings, match=r"redis_prot \(argument\): .*did you mean redis_port"):
        load(redis_prot=1)


# What is never shown


SECRETS = {
    "TORIL_URL": "redis://user:hunter2@redis:6379/0",
    "TORIL_MAIL_URL": "smtp://user:hunter2@mail",
    "TORIL_MAIL_LOG_URL": "postgresql+asyncpg://db/mail?password=hunter2",
    "TORIL_SECRET_KEYS": "hunter2" * 5,
    "MAIL_PASSWORD": "hunter2",
    "REDIS_PASSWORD": "hunter2",
}


def test_secrets_are_in_no_text_of_the_object():
    settings = load(SECRETS)
    shown = [settings.shown(name) for name in Settings.model_fields]

    assert "hunter2" not in f"{settings!r} {settings} {settings.model_dump_json()} {shown}"
    assert "redis://user:********@redis:6379/0" in shown


def test_secrets_are_in_no_error():
    bad = {**SECRETS, "TORIL_SECRET_KEYS": "hunter2", "REDIS_PORT": "x"}
    with pytest.raises(InvalidSettings, match=r"TORIL_SECRET_KEYS='\*+'") as caught:
        load(bad)

    assert "hunter2" not in "".join(traceback.format_exception(caught.value))
    assert caught.value.__context__ is None


def test_secret_keys_are_separated_by_commas():
    one, two = "a" * 32, "b" * 40

    keys = load({"TORIL_SECRET_KEY": f"{one}, {two}"}).secret_keys

    assert [key.get_secret_value() for key in keys] == [one, two]


@pytest.mark.parametrize(
    ("url", "shown"),
    [
        ("sqlite:///toril.db", "sqlite:///toril.db"),
        ("redis://host:6379", "redis://host:6379"),
        ("redis://user@host", "redis://user@host"),
        ("redis://:pw@host", "redis://:********@host"),
        ("smtp://user:p@ss:w/rd@host:25", "smtp://user:********@host:25"),
        ("user:pw@host", "********@host"),
        ("smtp:/user:pw@host", "********@host"),
        ("postgresql://db/x?user=u&password=pw&ssl=1", "postgresql://db/x?user=u&password=********&ssl=1"),
        ("https://api.example.com/?api_key=pw", "https://api.example.com/?api_key=********"),
    ],
)
def test_mask_url(url, shown):
    assert mask_url(url) == shown


# What it costs


def test_importing_toril_does_not_import_settings():
    code = "import sys, toril; print([m for m in sys.modules if m in ('toril.settings', 'pydantic_settings')])"
    found = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)

    assert found.stdout == "[]\n"


def test_settings_cannot_be_changed():
    with pytest.raises(ValueError, match="frozen"):
        load().prefix = "x"


def test_templates_is_a_path(tmp_path):
    assert load({"TORIL_TEMPLATES": str(tmp_path)}).templates == Path(tmp_path)
