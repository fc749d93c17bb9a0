"""Sites: the careless changes that can be made to a text. What C and Lua share."""
from collections import namedtuple
import hashlib

# A change of the bytes from start to end (of the file's text) into `new`.
Site = namedtuple('Site', 'start end new operator')

RELATIONS = {'<': ('<=', '>='), '<=': ('<', '>'), '>': ('>=', '<='), '>=': ('>', '<')}
ARITHMETIC = {'+': '-', '-': '+', '*': '/', '/': '*', '%': '*'}
COMMUTATIVE = {'min', 'max', 'fmin', 'fmax', 'fminf', 'fmaxf', 'ANET_MIN', 'ANET_MAX', 'MIN', 'MAX', 'anet__alloc_array',
               'anet__shape_equal'}
CLOSING = {'(': ')', '[': ']', '{': '}'}


def number_sites(token):
    """A constant by one more, one less, halved or doubled."""
    text = token.text
    if len(text) > 1 and text.isdigit() and text[0] == '0':
        return [Site(token.start, token.end, f'0{int(text, 8) >> 1:o}', 'constant')]
    try:
        value = int(text, 0)
    except ValueError:
        digits, suffix = text, ''
        while digits and digits[-1] in 'fFuUlL' and not digits.lower().startswith('0x'):
            digits, suffix = digits[:-1], digits[-1] + suffix
        try:
            value = int(digits, 0)
            news = [f'{v}{suffix}' for v in {value + 1, value * 2} - {value}]
        except ValueError:
            try:
                value = float(digits)
            except ValueError:
                return []
            news = [f'{value * 2!r}{suffix}', f'{value / 2!r}{suffix}'] if value else [f'1.0{suffix}']
        return [Site(token.start, token.end, new, 'constant') for new in news]
    wanted = {value + 1, value - 1, value * 2, value // 2} if value > 1 else {0: {1}, 1: {0, 2}}[value]
    return [Site(token.start, token.end, str(v), 'constant') for v in sorted(wanted - {value})]


def pairs(tokens):
    """For each bracket's index, the index of its partner."""
    partner, stack = {}, []
    for i, t in enumerate(tokens):
        if t.kind != 'op':
            continue
        if t.text in CLOSING:
            stack.append(i)
        elif t.text in CLOSING.values() and stack:
            partner[i] = stack.pop()
            partner[partner[i]] = i
    return partner


def split_at_commas(tokens, partner, first, last):
    """The parts (lists of token indices as first, last) between commas at the depth of first … last."""
    parts, begin, i = [], first, first
    while i <= last:
        if tokens[i].text in CLOSING and tokens[i].kind == 'op':
            i = partner[i]
        elif tokens[i].text == ',' and tokens[i].kind == 'op':
            parts.append((begin, i - 1))
            begin = i + 1
        i += 1
    parts.append((begin, last))
    return [p for p in parts if p[0] <= p[1]]


def swap(text, a, b, c, d, operator):
    """The text from a to b changes place with that from c to d."""
    if text[a:b] == text[c:d]:
        return []
    return [Site(a, d, text[c:d] + text[b:c] + text[a:b], operator)]


def changed(text, site):
    return text[:site.start] + site.new + text[site.end:]


def lines_of(text, site):
    """What the site's lines say before and after: both stripped, one line each."""
    first = text.rfind('\n', 0, site.start) + 1
    last = text.find('\n', site.end)
    last = len(text) if last < 0 else last
    before = text[first:last]
    after = text[first:site.start] + site.new + text[site.end:last]
    return ' '.join(before.split()), ' '.join(after.split())


def digest(*words):
    return hashlib.sha1('\0'.join(map(str, words)).encode()).hexdigest()
