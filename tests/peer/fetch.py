"""Answers to FETCH and SEARCH: the values of items, and which messages fit a search."""

import calendar
import email.utils
import re
import time

from tests.peer.errors import Syntax
from tests.peer.oddity import estimate
from tests.peer.store import in_set

# A folder may be called [Gmail], so brackets hold a token together only where a section begins.
TOKEN = re.compile(rb'[ ]*(?:([()])|"((?:[^"\\\r\n]|\\.)*)"|'
                   rb'((?:BODY|BINARY)(?:\.PEEK|\.SIZE)?\[[^\]]*\](?:<[\d.]+>)?|[^\s()"]+))', re.I)
MONTHS = "jan feb mar apr may jun jul aug sep oct nov dec".split()


def tokens(parts):
    """A command's text and literals (text, literal, text, ...) as nested lists of bytes."""
    stack = [[]]
    for i, part in enumerate(parts):
        if i % 2:
            stack[-1].append(part)
            continue
        pos = 0
        while part[pos:].strip(b" "):
            m = TOKEN.match(part, pos)
            if not m:
                raise Syntax(f"cannot read {part[pos:pos + 40]!r}")
            pos = m.end()
            if m[1] == b"(":
                stack.append([])
            elif m[1] == b")":
                if len(stack) == 1:
                    raise Syntax("unbalanced")
                done = stack.pop()
                stack[-1].append(done)
            else:
                stack[-1].append(re.sub(rb"\\(.)", rb"\1", m[2]) if m[2] is not None else m[3])
    if len(stack) > 1:
        raise Syntax("unbalanced")
    return stack[0]


def header_of(data):
    i = data.find(b"\r\n\r\n")
    return data if i < 0 else data[:i + 4]


def header_lines(data):
    """The header's fields with their continuation lines."""
    out = []
    for line in header_of(data).split(b"\r\n"):
        if line[:1] in (b" ", b"\t") and out:
            out[-1] += b"\r\n" + line
        elif line:
            out.append(line)
    return out


def section(data, spec):
    """The octets of BODY[spec]; only what concerns the whole message."""
    up = spec.upper()
    if up == b"":
        return data
    if up == b"HEADER":
        return header_of(data)
    if up == b"TEXT":
        return data[len(header_of(data)):]
    m = re.fullmatch(rb"HEADER\.FIELDS(\.NOT)? \((.*)\)", spec, re.I | re.S)
    if m:
        names = {n.strip(b'"').upper() for n in m[2].split()}
        keep = [f for f in header_lines(data) if (f.split(b":")[0].strip().upper() in names) != bool(m[1])]
        return b"".join(f + b"\r\n" for f in keep) + b"\r\n"
    raise Syntax(f"BODY[{spec.decode(errors='replace')}] is not known here")


def field_value(data, name):
    for f in header_lines(data):
        k, _, v = f.partition(b":")
        if k.strip().upper() == name.upper():
            return re.sub(rb"\r\n[ \t]", b" ", v).strip()
    return None


def quote(value):
    if value is None:
        return b"NIL"
    if re.search(rb"[\r\n\0\x80-\xff]", value):
        return b"{%d}\r\n" % len(value) + value
    return b'"' + value.replace(b"\\", b"\\\\").replace(b'"', b'\\"') + b'"'


def addresses(data, name):
    raw = field_value(data, name)
    if not raw:
        return b"NIL"
    out = b""
    for full, addr in email.utils.getaddresses([raw.decode("latin-1")]):
        box, _, host = addr.partition("@")
        out += b"(%b NIL %b %b)" % (quote(full.encode("latin-1") or None), quote(box.encode("latin-1")), quote(host.encode("latin-1")))
    return b"(" + out + b")" if out else b"NIL"


def envelope(data):
    sender = addresses(data, b"From")
    return b"(" + b" ".join([
        quote(field_value(data, b"Date")), quote(field_value(data, b"Subject")), sender,
        addresses(data, b"Sender") if field_value(data, b"Sender") else sender,
        addresses(data, b"Reply-To") if field_value(data, b"Reply-To") else sender,
        addresses(data, b"To"), addresses(data, b"Cc"), addresses(data, b"Bcc"),
        quote(field_value(data, b"In-Reply-To")), quote(field_value(data, b"Message-ID"))]) + b")"


def bodystructure(data):
    text = section(data, b"TEXT")
    return b'("text" "plain" ("charset" "us-ascii") NIL NIL "7bit" %d %d)' % (len(text), text.count(b"\n"))


def date_seconds(date):
    d, m, y, h, mi, s, sign, zh, zm = re.fullmatch(
        r"\s?(\d+)-(\w{3})-(\d{4}) (\d\d):(\d\d):(\d\d) ([+-])(\d\d)(\d\d)", date).groups()
    t = calendar.timegm((int(y), MONTHS.index(m.lower()) + 1, int(d), int(h), int(mi), int(s)))
    return t - (1 if sign == "+" else -1) * (int(zh) * 3600 + int(zm) * 60)


def shown_date(date, odd):
    if "utc-dates" not in odd:
        return date
    t = time.gmtime(date_seconds(date))
    return f"{t.tm_mday:2}-{MONTHS[t.tm_mon - 1].title()}-{t.tm_year} {time.strftime('%H:%M:%S', t)} +0000"


MACROS = {b"ALL": [b"FLAGS", b"INTERNALDATE", b"RFC822.SIZE", b"ENVELOPE"], b"FAST": [b"FLAGS", b"INTERNALDATE", b"RFC822.SIZE"],
          b"FULL": [b"FLAGS", b"INTERNALDATE", b"RFC822.SIZE", b"ENVELOPE", b"BODY"]}


def item_list(arg):
    if isinstance(arg, bytes):
        return MACROS.get(arg.upper(), [arg])
    return arg


def body_item(item):
    """(section, partial or None, peek) of a BODY item, or None."""
    m = re.fullmatch(rb"(BODY(?:\.PEEK)?|BINARY(?:\.PEEK)?)\[([^\]]*)\](?:<(\d+)\.(\d+)>)?", item, re.I | re.S)
    if m:
        return m[2], (int(m[3]), int(m[4])) if m[3] else None, b"PEEK" in m[1].upper()
    plain = {b"RFC822": b"", b"RFC822.HEADER": b"HEADER", b"RFC822.TEXT": b"TEXT"}.get(item.upper())
    return None if plain is None else (plain, None, item.upper() == b"RFC822.HEADER")


def values(m, items, side):
    """[(name, value, is a body)] for one message; a body's value is its octets."""
    out, odd = [], side.odd
    for item in items:
        up = item.upper()
        body = body_item(item)
        if body:
            spec, partial, _ = body
            name = re.sub(rb"(?i)\.PEEK", b"", re.sub(rb"<.*", b"", item)) if b"[" in item else up
            data = section(m.data, spec)
            if partial:
                name += b"<%d>" % partial[0]
                data = data[partial[0]:partial[0] + partial[1]]
            if spec == b"" and not partial and "nil-body" in odd and in_set(m.uid, odd["nil-body"]):
                data = None
            out.append((name, data, True))
        elif up == b"UID":
            out.append((up, b"%d" % m.uid, False))
        elif up == b"FLAGS":
            flags = sorted(m.flags) + (["\\Recent"] if m.recent and "recent" in odd else [])
            out.append((up, b"(" + " ".join(flags).encode() + b")", False))
        elif up == b"INTERNALDATE":
            out.append((up, b'"' + shown_date(m.date, odd).encode() + b'"', False))
        elif up == b"RFC822.SIZE":
            n = len(m.data)
            out.append((up, b"%d" % (estimate(n, odd["size-estimate"]) if "size-estimate" in odd else n), False))
        elif up == b"ENVELOPE":
            out.append((up, envelope(m.data), False))
        elif up in (b"BODY", b"BODYSTRUCTURE"):
            out.append((up, bodystructure(m.data), False))
        elif up == b"MODSEQ" and side.offers("CONDSTORE", "QRESYNC"):
            out.append((up, b"(%d)" % m.modseq, False))
        elif up in (b"X-GM-MSGID", b"X-GM-THRID") and side.offers("X-GM-EXT-1"):
            out.append((up, b"%d" % m.msgid, False))
        elif up == b"X-GM-LABELS" and side.offers("X-GM-EXT-1"):
            out.append((up, b"()", False))
        elif up in (b"EMAILID", b"THREADID") and side.offers("OBJECTID"):
            out.append((up, b"(M%d)" % m.msgid, False))
        else:
            raise Syntax(f"FETCH item {item.decode(errors='replace')} is not known here")
    return out


# SEARCH ------------------------------------------------------------------------------------------------

FLAG_KEYS = {b"SEEN": "\\Seen", b"ANSWERED": "\\Answered", b"FLAGGED": "\\Flagged", b"DELETED": "\\Deleted", b"DRAFT": "\\Draft"}


def search_day(raw):
    d, m, y = raw.decode().split("-")
    return calendar.timegm((int(y), MONTHS.index(m.lower()) + 1, int(d), 0, 0, 0)) // 86400


def local_day(date):
    d, m, y = date.split(" ")[0 if not date.startswith(" ") else 1].split("-")
    return calendar.timegm((int(y), MONTHS.index(m.lower()) + 1, int(d), 0, 0, 0)) // 86400


def search_test(args, ranges):
    """Takes one key off `args` and returns a test of (sequence number, message).  `ranges` reads a set."""
    if not args:
        raise Syntax("a search key is missing")
    key = args.pop(0)
    if isinstance(key, list):
        return search_all(key, ranges)
    up = key.upper()
    if up == b"ALL":
        return lambda n, m: True
    if up in FLAG_KEYS:
        return lambda n, m: FLAG_KEYS[up] in m.flags
    if up[:2] == b"UN" and up[2:] in FLAG_KEYS:
        return lambda n, m: FLAG_KEYS[up[2:]] not in m.flags
    if up in (b"KEYWORD", b"UNKEYWORD"):
        word = args.pop(0).decode().lower()
        return lambda n, m: (word in {f.lower() for f in m.flags}) == (up == b"KEYWORD")
    if up == b"UID":
        r = ranges(args.pop(0), True)
        return lambda n, m: in_set(m.uid, r)
    if up == b"NOT":
        inner = search_test(args, ranges)
        return lambda n, m: not inner(n, m)
    if up == b"OR":
        a, b = search_test(args, ranges), search_test(args, ranges)
        return lambda n, m: a(n, m) or b(n, m)
    if up == b"HEADER":
        name, text = args.pop(0), args.pop(0).lower()
        return lambda n, m: (v := field_value(m.data, name)) is not None and text in v.lower()
    if up in (b"SUBJECT", b"FROM", b"TO", b"CC"):
        text = args.pop(0).lower()
        return lambda n, m: text in (field_value(m.data, up) or b"").lower()
    if up in (b"BODY", b"TEXT"):
        text = args.pop(0).lower()
        return lambda n, m: text in m.data.lower()
    if up in (b"SINCE", b"BEFORE", b"ON"):
        day = search_day(args.pop(0))
        how = {b"SINCE": lambda d: d >= day, b"BEFORE": lambda d: d < day, b"ON": lambda d: d == day}[up]
        return lambda n, m: how(local_day(m.date))
    if up in (b"LARGER", b"SMALLER"):
        size = int(args.pop(0))
        return lambda n, m: len(m.data) > size if up == b"LARGER" else len(m.data) < size
    if up == b"MODSEQ":
        least = int(args.pop(0))
        return lambda n, m: m.modseq >= least
    if up == b"X-GM-MSGID":
        ident = int(args.pop(0))
        return lambda n, m: m.msgid == ident
    r = ranges(key, False)
    return lambda n, m: in_set(n, r)


def search_all(args, ranges):
    tests = []
    while args:
        tests.append(search_test(args, ranges))
    return lambda n, m: all(t(n, m) for t in tests)
