"""Tokens of C and Lua with their places; comments, strings and preprocessor lines are no places for changes."""
import re
from collections import namedtuple

Token = namedtuple('Token', 'kind text start end line')

C_TOKEN = re.compile(r'''
    (?P<skip>[ \t\r]+ | \\\n | \n | /\*.*?\*/ | //[^\n]*)
  | (?P<string>"(?:\\.|[^"\\\n])*" | '(?:\\.|[^'\\\n])*')
  | (?P<number>(?:0[xX][0-9a-fA-F]+ | (?:\d+\.?\d*|\.\d+)(?:[eE][+-]?\d+)?)[fFuUlL]*)
  | (?P<name>[A-Za-z_]\w*)
  | (?P<op>\.\.\.|<<=|>>=|->|\+\+|--|<<|>>|<=|>=|==|!=|&&|\|\||[-+*/%&|^]=|[-+*/%&|^~!<>=?:;,.(){}\[\]])
''', re.X | re.S)

LUA_TOKEN = re.compile(r'''
    (?P<skip>\s+ | --\[(?P<c>=*)\[.*?\](?P=c)\] | --[^\n]* | \A\#[^\n]*)
  | (?P<string>"(?:\\.|[^"\\\n])*" | '(?:\\.|[^'\\\n])*' | \[(?P<s>=*)\[.*?\](?P=s)\])
  | (?P<number>0[xX][0-9a-fA-F]+(?:ULL|LL)? | (?:\d+\.?\d*|\.\d+)(?:[eE][+-]?\d+)?(?:ULL|LL)?)
  | (?P<name>[A-Za-z_]\w*)
  | (?P<op>\.\.\.|\.\.|<=|>=|==|~=|::|[-+*/%^#<>=;:,.(){}\[\]])
''', re.X | re.S)

LUA_WORDS = set('and break do else elseif end false for function goto if in local nil not or repeat return then true until while'
                .split())


def _scan(text, pattern, what):
    at, line, tokens = 0, 1, []
    while at < len(text):
        m = pattern.match(text, at)
        if not m:
            raise ValueError(f'{what}:{line}: no token at {text[at:at + 20]!r}')
        if m.lastgroup not in ('skip', 'c') and m.group('skip') is None:
            kind = next(k for k in ('string', 'number', 'name', 'op') if m.group(k) is not None)
            tokens.append(Token(kind, m.group(), m.start(), m.end(), line))
        line += m.group().count('\n')
        at = m.end()
    return tokens


def _blank_directives(text):
    """Preprocessor lines as spaces, so that all places stay."""
    return re.sub(r'^[ \t]*#(?:\\\n|[^\n])*', lambda m: re.sub(r'[^\n]', ' ', m.group()), text, flags=re.M)


def c_tokens(text, what):
    return _scan(_blank_directives(text), C_TOKEN, what)


def lua_tokens(text, what):
    tokens = _scan(text, LUA_TOKEN, what)
    return [t._replace(kind='word') if t.kind == 'name' and t.text in LUA_WORDS else t for t in tokens]
