"""Templates: what is checked when they are loaded, and what comes out."""

import re
from html.parser import HTMLParser

import pytest

from toril import Secret
from toril.errors import ConfigurationError, InvalidContext
from toril.messaging import Brand, Context, MessageType
from toril.messaging.catalogue import BUILT_IN
from toril.messaging.inlining import inline_css
from toril.messaging.plaintext import derive_text
from toril.messaging.templates import Templates

TYPES = {kind.name: kind for kind in BUILT_IN}
SHOP = Brand("Shop")
WELCOME = {"name": "Nguyễn Văn Ánh", "link": "https://shop.example/start?a=1&b=2"}
ORDER = {
    "name": "Ana",
    "order_id": "A-1001",
    "lines": [
        {"name": "Hay", "quantity": 2, "price": "1200.50"},
        {"name": "Oats", "quantity": 1, "price": "9"},
    ],
    "total": "1209.50",
    "currency": "EUR",
}


class Note(Context):
    name: str
    code: Secret[str] = Secret("0000")
    urgent: bool = False


NOTE = MessageType("note", Note, kind="transactional")


def render(templates, kind, context, locale=None, unsubscribe_url=None):
    context = kind.validate(context)
    template = templates.load(kind, locale)
    subject = template.render_subject(context)
    return subject, *template.render(context, subject, unsubscribe_url)


def visible(html):
    texts = []
    parser = HTMLParser()
    parser.handle_data = texts.append
    parser.feed(re.sub(r"<head>.*</head>", "", html, flags=re.DOTALL))
    return " ".join(" ".join(texts).split())


@pytest.fixture
def folder(tmp_path):
    def write(**files):
        for name, text in files.items():
            path = tmp_path / name.replace("__", "/").replace("_", ".")
            path.parent.mkdir(exist_ok=True)
            path.write_text(text, encoding="utf-8")
        return Templates(tmp_path, brand=SHOP)

    return write


def test_order_lines_in_both_parts():
    _, text, html = render(Templates(brand=SHOP), TYPES["order-confirmation"], ORDER)
    for words in ("2 \u00d7 Hay", "€1,200.50", "€1,209.50"):
        assert words in text
        assert words in visible(html)


def test_html_is_escaped_and_text_is_not():
    subject, text, html = render(Templates(brand=SHOP), TYPES["welcome"], {**WELCOME, "name": "<b>Ana & Bo</b>"})
    assert "<b>Ana & Bo</b>" in subject
    assert "<b>Ana & Bo</b>" in text
    assert "<b>Ana" not in html
    assert "&lt;b&gt;Ana &amp; Bo&lt;/b&gt;" in html


def test_css_stands_in_the_elements_and_media_rules_stay():
    _, _, html = render(Templates(brand=SHOP), TYPES["welcome"], WELCOME)
    assert re.search(r'<a class="button" href="[^"]*" style="[^"]*color: #ffffff', html)
    assert "@media (max-width: 480px)" in html
    assert "text-decoration: none; }" not in html


def test_own_folder_comes_first_and_missing_text_is_derived(folder):
    templates = folder(
        welcome__subject_txt="Hi {{ name }}",
        welcome__body_html='<h1>Hi</h1><p>Dear {{ name }},</p><ul><li>one</li><li>two</li></ul><a href="{{ link }}">go</a>',
    )
    subject, text, html = render(templates, TYPES["welcome"], WELCOME)
    assert subject == "Hi Nguyễn Văn Ánh"
    link = WELCOME["link"]
    assert text == f"Hi\n\nDear Nguyễn Văn Ánh,\n\n- one\n- two\n\ngo <{link}>\n\n-- \nShop"
    assert 'class="card"' in html


def test_a_whole_document_has_no_layout_around_it(folder):
    templates = folder(note__subject_txt="s", note__body_html="<!doctype html><html><body>{{ name }}</body></html>")
    assert "card" not in render(templates, NOTE, {"name": "Ana"})[2]


def test_own_layouts(folder):
    templates = folder(
        layout_html="<html><body class=mine>{{ body }}</body></html>", layout_txt="<<{{body}}>>",
        note__subject_txt="s", note__body_html="<p>{{ name }}</p>",
    )  # fmt: skip
    _, text, html = render(templates, NOTE, {"name": "Ana"})
    assert text == "<<Ana>>"
    assert '<body class="mine"><p>Ana</p>' in html


@pytest.mark.parametrize(
    ("files", "fault"),
    [
        ({}, "template 'note': expected a folder of that name in "),
        ({"note__subject_txt": "s"}, r"template 'note': expected a file .*body\.html"),
        ({"note__body_html": "b"}, r"template 'note': expected a file .*subject\.txt"),
        ({"note__subject_txt": "s", "note__body_html": "<p>\n{{ nmae }}"}, r"note/body.html, line 2: 'nmae' is not in its context \(known: brand, code, locale, name, "),
        ({"note__subject_txt": "{{ nmae }}", "note__body_html": "b"}, r"note/subject.txt, line 1: 'nmae' is not in its context \(known: brand, locale, name, urgent\)"),
        ({"note__subject_txt": "s", "note__body_html": "b", "note__body_txt": "a\n{% if %}"}, "note/body.txt, line 2: "),
        ({"layout_html": "<p>", "note__subject_txt": "s", "note__body_html": "b"}, r"template .*layout\.html: expected \{\{ body \}\}"),
    ],
)  # fmt: skip
def test_faults_are_found_when_it_is_loaded(folder, files, fault):
    with pytest.raises(ConfigurationError, match=fault):
        folder(**files).load(NOTE)


def test_no_such_folder(tmp_path):
    with pytest.raises(ConfigurationError, match=r"^templates: expected a folder, .*nowhere"):
        Templates(tmp_path / "nowhere", brand=SHOP)


def test_lines_stay_lines_and_are_escaped(folder):
    templates = folder(note__subject_txt="s", note__body_html="<p>{{ name | lines }}</p>")
    _, text, html = render(templates, NOTE, {"name": "<one>\r\ntwo"})
    assert text.startswith("<one>\r\ntwo\n")
    assert "&lt;one&gt;<br>two" in html


def test_a_secret_shows_in_the_body_and_never_in_the_subject(folder):
    templates = folder(note__subject_txt="{{ name }}", note__body_html="<p>Code {{ code }}</p>")
    _, text, html = render(templates, NOTE, {"name": "Ana", "code": "4711"})
    assert "Code 4711" in text
    assert "Code 4711" in html
    templates = folder(note__subject_txt="{{ code }}")
    with pytest.raises(
        ConfigurationError, match=r"note/subject\.txt, line 1: 'code' is secret, and the subject is logged"
    ) as error:
        render(templates, NOTE, {"name": "Ana", "code": "4711"})
    assert "4711" not in str(error.value)


def test_a_second_subject_line_is_refused(folder):
    with pytest.raises(InvalidContext, match=r"^subject of 'welcome': expected one line"):
        render(Templates(brand=SHOP), TYPES["welcome"], {**WELCOME, "name": "Ana\r\nBcc: all@example.com"})


def test_an_own_subject_alone_overrides_the_subject_alone(folder):
    templates = folder(welcome__subject_txt="Hi {{ name }}")
    subject, text, _ = render(templates, TYPES["welcome"], WELCOME)
    assert subject == "Hi Nguyễn Văn Ánh"
    assert text.startswith("Welcome, Nguyễn Văn Ánh!")
    assert render(templates, TYPES["welcome"], WELCOME, "vi")[0].startswith("Chào mừng")


def test_one_locale_alone_can_be_overridden(folder):
    templates = folder(welcome__body_vi_html="<p>Xin chào {{ name }}</p>")
    assert render(templates, TYPES["welcome"], WELCOME, "vi-VN")[1].startswith("Xin chào Nguyễn Văn Ánh")
    assert render(templates, TYPES["welcome"], WELCOME)[1].startswith("Welcome, ")


def test_an_own_language_is_added_by_its_files(folder):
    templates = folder(
        welcome__body_de_html="<p>Hallo</p>", welcome__subject_de_txt="Willkommen", footer_de_html="<p>Abmelden</p>"
    )
    subject, text, html = render(templates, TYPES["welcome"], WELCOME, "de-AT")
    assert (subject, text) == ("Willkommen", "Hallo\n\n-- \nAbmelden")
    assert '<html lang="de-AT">' in html
    assert templates.sources.locales() == ["en", "de", "vi"]


def test_a_written_text_is_taken_only_if_it_is_as_near_as_the_html(folder):
    own = {"note__subject_txt": "s", "note__body_html": "<p>html</p>", "note__body_txt": "written"}
    assert render(folder(**own), NOTE, {"name": "Ana"})[1].startswith("written")
    templates = folder(**own, note__body_vi_html="<p>tiếng Việt</p>")
    assert render(templates, NOTE, {"name": "Ana"}, "vi")[1].startswith("tiếng Việt")


def test_the_usual_locale_is_for_recipients_without_one(tmp_path):
    templates = Templates(brand=SHOP, locale="vi")
    assert render(templates, TYPES["welcome"], WELCOME)[0].startswith("Chào mừng")
    assert render(templates, TYPES["welcome"], WELCOME, "en")[0].startswith("Welcome")


def test_the_preheader_stands_before_all_else_and_not_in_the_text(folder):
    templates = folder(note__subject_txt="s", note__body_html='<p class="preheader">Soon, {{ name }}</p>\n<p>Body</p>')
    _, text, html = render(templates, NOTE, {"name": "Ana"})
    assert re.search(r'<body[^>]*>\s*<div class="preheader"[^>]*>Soon, Ana', html)
    assert text.startswith("Body")


def test_a_button_is_a_cell_that_outlook_paints(folder):
    link = '<a class="button" href="{{ "https://x.example" if name > "A" else "" }}">Go</a>'
    for body in (link, f"<p>{link}</p>", f"<p>Before</p>{link}<p>after</p>"):
        html = render(folder(note__subject_txt="s", note__body_html=body), NOTE, {"name": "Ana"})[2]
        assert re.search(
            r'<td class="button-cell"[^>]*mso-padding-alt: 13px 26px[^>]*><a class="button" href="https://x.example"',
            html,
        )
        assert "<p></p>" not in re.sub(r' style="[^"]*"', "", html)


def test_the_way_out_is_shown_where_there_is_one():
    for locale, words in (("en", "Unsubscribe"), ("vi", "Hủy đăng ký")):
        context = {"title": "T", "text": "t", "link": "https://x.example"}
        url = "https://shop.example/u?a=1&b=2"
        for way_out, shown in ((url, True), (None, False)):
            _, text, html = render(Templates(brand=SHOP), TYPES["promotion"], context, locale, way_out)
            assert (f"{words} <{url}>" in text) == shown
            assert (f'href="{url.replace("&", "&amp;")}"' in html) == shown


def test_the_brand_is_everywhere_and_escaped():
    brand = Brand("A & B", "#0a7d5a", "https://ab.example", "https://ab.example/logo.png", "1 <Main> Street")
    _, text, html = render(Templates(brand=brand), TYPES["welcome"], WELCOME)
    assert text.endswith("-- \nA & B · 1 <Main> Street")
    assert "1 &lt;Main&gt; Street" in html
    (logo,) = re.findall(r'<a href="https://ab.example"[^>]*>(<img [^>]*>)</a>', html)
    assert 'src="https://ab.example/logo.png"' in logo
    assert 'alt="A &amp; B"' in logo
    assert "background: #0a7d5a" in html


@pytest.mark.parametrize(
    ("files", "fault"),
    [
        ({"note__body_html": "<p>\n{{ name }}\n{{ name.nothing }}"}, r"note/body.html, line 3: 'str object' has no attribute 'nothing'$"),
        ({"note__body_html": "<p>x", "note__body_txt": "\n{{ name | money }}"}, r"note/body.txt, line 2: TypeError$"),
        ({"note__body_html": "<p>x", "footer_html": "{{ brand.motto }}"}, r"footer.html, line 1: .* has no attribute 'motto'"),
        ({"note__body_html": "<p>x", "layout_html": "<p>\n{{ body }}{{ 1 / 0 }}"}, r"layout.html, line 2: ZeroDivisionError$"),
    ],
)  # fmt: skip
def test_what_fails_while_it_is_rendered_is_told_by_file_and_line_and_without_values(folder, files, fault):
    templates = folder(note__subject_txt="s", **files)
    with pytest.raises(ConfigurationError, match=fault) as error:
        render(templates, NOTE, {"name": "Planted-Value"})
    assert "Planted" not in str(error.value)


class Nested(Context):
    inside: Note


def test_a_secret_within_another_context_is_found_when_the_subject_is_rendered(folder):
    kind = MessageType("nested", Nested, kind="transactional")
    templates = folder(nested__subject_txt="\n{{ inside.code }}", nested__body_html="<p>{{ inside.code }}</p>")
    with pytest.raises(ConfigurationError, match=r"nested/subject.txt, line 2: a secret must not stand in the subject"):
        render(templates, kind, {"inside": {"name": "Ana", "code": "4711"}})


def test_inlining_leaves_every_jinja_tag_where_it_was():
    source = (
        "<html><head><title>{{ a }}</title><style>p { color: {{ color }} } .x > a { color: red }</style></head><body>"
        '{# gone #}<p {% if x > 1 %}class="x"{% endif %} title="{{ a|e("<") }}">{{ b > c }}</p>'
        "<table>{% for r in rows %}<tr><td>{{ r }}</td></tr>{% endfor %}</table><!-- {{ note }} --></body></html>"
    )
    inlined = inline_css(source)
    tags = r"\{\{.*?\}\}|\{%.*?%\}"
    assert re.findall(tags, inlined) == [
        "{{ a }}", "{% if x > 1 %}", "{% endif %}", '{{ a|e("<") }}', "{{ color }}", "{{ b > c }}",
        "{% for r in rows %}", "{{ r }}", "{% endfor %}", "{{ note }}",
    ]  # fmt: skip
    assert "<table>{% for r in rows %}<tr><td>{{ r }}</td></tr>{% endfor %}</table>" in inlined
    assert '<p {% if x > 1 %}class="x" {% endif %} title="' in inlined
    assert "gone" not in inlined


def test_derived_text_reads_well():
    assert derive_text(
        "<h1>Hello&nbsp;{{ name }}</h1>\n<p>one\n  two<br>three</p>{% if x %}<p>four &amp; five</p>{% endif %}"
        '<p><a href="{{ link }}">Open</a> or <a href="https://x.example">https://x.example</a></p><style>p{}</style>'
    ) == (
        "Hello {{ name }}\n\none two\nthree\n\n{% if x %}\n\nfour & five\n\n{% endif %}\n\n"
        "Open <{{ link }}> or https://x.example\n"
    )


def test_derived_text_has_neither_gaps_nor_hanging_spaces_where_conditions_stand(folder):
    body = """<p>First.{% if urgent %} Now!{% endif %}</p>
<table>
{% for word in name.split() %}
<tr><th>Word</th><td>{{ word }}</td></tr>
{% endfor %}
{% if urgent %}
<tr><th>Urgent</th><td>yes</td></tr>
{% endif %}
</table>
{% if urgent %}
<p>Run <img src="https://x.example/a.png" alt="fast">.</p>
{% endif %}
<a class="button" href="https://x.example">Go</a>"""
    templates = folder(note__subject_txt="s", note__body_html=body)
    end = "Go:\nhttps://x.example\n\n-- \nShop"
    calm, urgent = (render(templates, NOTE, {"name": "a b", "urgent": urgent})[1] for urgent in (False, True))
    assert calm == f"First.\n\nWord: a\nWord: b\n\n{end}"
    assert urgent == f"First. Now!\n\nWord: a\nWord: b\nUrgent: yes\n\nRun fast.\n\n{end}"


def test_a_template_may_set_a_brand_of_its_own(folder):
    files = {
        "note__subject_txt": "s",
        "note__body_html": "{% with brand = {'name': 'Branch'} %}<p>{{ brand.name }}</p>{% endwith %}",
    }
    _, text, _ = render(folder(**files), NOTE, {"name": "Ana"})
    assert "Branch" in text
