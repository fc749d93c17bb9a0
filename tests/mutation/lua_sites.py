"""The changes that can be made to Lua, by a small parser that knows where each statement and operand begins and ends."""
from sites import ARITHMETIC, COMMUTATIVE, RELATIONS, Site, number_sites, swap
from tokens import lua_tokens

LEFT = {'or': 1, 'and': 2, '<': 3, '>': 3, '<=': 3, '>=': 3, '~=': 3, '==': 3, '..': 5, '+': 6, '-': 6, '*': 7, '/': 7, '%': 7,
        '^': 10}
RIGHT = dict(LEFT, **{'..': 4, '^': 9})
UNARY = 8
OPTIONS = {'options', 'settings', 'flags', 'opts'}
TWINS = {'min': 'max', 'max': 'min', 'floor': 'ceil', 'ceil': 'floor', 'huge': 'pi', 'ipairs': 'pairs'}


class LuaFile:
    def __init__(self, text, what):
        self.text, self.what, self.t, self.i, self.found = text, what, lua_tokens(text, what), 0, []

    # ---- tokens
    def peek(self):
        return self.t[self.i].text if self.i < len(self.t) and self.t[self.i].kind != 'string' else None

    def take(self, text=None):
        token = self.t[self.i]
        if text and token.text != text:
            raise ValueError(f'{self.what}:{token.line}: got {token.text!r}, want {text!r}')
        self.i += 1
        return token

    def accept(self, text):
        if self.peek() == text:
            return self.take()
        return None

    def last(self):
        return self.t[self.i - 1].end

    def here(self):
        return self.t[self.i].start

    def add(self, start, end, new, operator):
        self.found.append(Site(start, end, new, operator))

    # ---- statements
    def block(self, *ends):
        while self.i < len(self.t) and self.peek() not in ends:
            self.statement()

    def statement(self):
        word, start = self.peek(), self.here()
        method = {'if': self.if_, 'while': self.while_, 'for': self.for_, 'repeat': self.repeat, 'function': self.function,
                  'local': self.local, 'return': self.return_, 'do': self.do, 'break': self.take, 'goto': self.goto, '::': self.label,
                  ';': self.take}.get(word)
        if method:
            return method()
        self.suffixed()
        while self.accept(','):
            self.suffixed()
        if self.accept('='):
            self.expressions()
        self.add(start, self.last(), 'do end', 'statement dropped')
        self.add(start, start, 'do return end ', 'early return')

    def condition(self, news):
        start = self.here()
        self.expression()
        for new in news:
            self.add(start, self.last(), new, 'condition')

    def if_(self):
        self.take()
        self.condition(('true', 'false'))
        self.take('then')
        while True:
            self.block('else', 'elseif', 'end')
            if self.take().text == 'elseif':
                self.condition(('true', 'false'))
                self.take('then')
            elif self.t[self.i - 1].text == 'else':
                self.block('end')
                self.take('end')
                return
            else:
                return

    def while_(self):
        self.take()
        self.condition(('false',))
        self.do()

    def do(self):
        self.take('do')
        self.block('end')
        self.take('end')

    def for_(self):
        self.take()
        self.take()
        while self.accept(','):
            self.take()
        self.take()  # = or in
        self.expressions()
        self.do()

    def repeat(self):
        self.take()
        self.block('until')
        self.take()
        self.condition(('true',))

    def function(self):
        self.take()
        self.take()
        while self.peek() in ('.', ':'):
            self.take()
            self.take()
        self.body()

    def body(self):
        self.take('(')
        while not self.accept(')'):
            self.take()
        self.block('end')
        self.take('end')

    def local(self):
        self.take()
        if self.accept('function'):
            self.take()
            return self.body()
        self.take()
        while self.accept(','):
            self.take()
        if self.accept('='):
            self.expressions()

    def return_(self):
        self.take()
        if self.i < len(self.t) and self.peek() not in ('end', 'else', 'elseif', 'until', ';'):
            self.expressions()

    def goto(self):
        self.take()
        self.take()

    def label(self):
        self.take()
        self.take()
        self.take()

    # ---- expressions
    def expressions(self):
        spans = []
        while True:
            start = self.here()
            self.expression()
            spans.append((start, self.last()))
            if not self.accept(','):
                return spans

    def expression(self, limit=0):
        start = self.here()
        unary = self.peek()
        if unary in ('not', '-', '#'):
            token = self.take()
            self.expression(UNARY)
            if unary == 'not':
                self.add(token.start, self.t[self.t.index(token) + 1].start, '', 'negation dropped')
            elif unary == '-':
                self.add(token.start, token.end, '', 'sign')
        else:
            self.simple()
        while self.i < len(self.t) and LEFT.get(self.peek(), 0) > limit:
            left_end, op = self.last(), self.take()
            right = self.here()
            self.expression(RIGHT[op.text])
            self.binary(start, left_end, op, right, self.last())

    def binary(self, start, left_end, op, right, end):
        text = op.text
        if text in RELATIONS:
            for new in RELATIONS[text]:
                self.add(op.start, op.end, new, 'relation')
        elif text in ('==', '~='):
            self.add(op.start, op.end, '~=' if text == '==' else '==', 'relation')
        elif text in ('and', 'or'):
            self.add(op.start, op.end, 'or' if text == 'and' else 'and', 'logic')
            self.add(left_end, end, '', 'condition dropped')
            self.add(start, right, '', 'condition dropped')
        elif text in ARITHMETIC:
            self.add(op.start, op.end, ARITHMETIC[text], 'arithmetic')
            if text in ('-', '/', '%'):
                self.found += swap(self.text, start, left_end, right, end, 'operands')

    def simple(self):
        token = self.t[self.i]
        if token.kind == 'number':
            self.take()
            self.found += number_sites(token)
        elif token.kind == 'string' or token.text in ('nil', '...'):
            self.take()
        elif token.text in ('true', 'false'):
            self.take()
            self.add(token.start, token.end, 'false' if token.text == 'true' else 'true', 'twin')
        elif token.text == '{':
            self.table()
        elif token.text == 'function':
            self.take()
            self.body()
        else:
            self.suffixed()

    def suffixed(self):
        start, first = self.here(), self.t[self.i]
        if self.accept('('):
            self.expression()
            self.take(')')
        else:
            self.take()
        while self.i < len(self.t):
            token, text = self.t[self.i], self.peek()
            if text == '.':
                self.take()
                name = self.take()
                if first.text == 'math' and name.text in TWINS:
                    self.add(name.start, name.end, TWINS[name.text], 'twin')
                if first.text in OPTIONS and token.start == first.end and self.peek() not in ('=', '.', ':', '(', '['):
                    self.add(start, name.end, 'nil', 'option ignored')
            elif text == '[':
                self.take()
                self.expression()
                self.take(']')
            elif text == ':':
                self.take()
                self.take()
                self.arguments()
            elif text in ('(', '{') or token.kind == 'string':
                self.arguments()
            else:
                return

    def arguments(self):
        if self.accept('('):
            callee = self.t[self.i - 2].text
            if not self.accept(')'):
                spans = self.expressions()
                self.take(')')
                if callee in COMMUTATIVE:
                    return
                for (a, b), (c, d) in zip(spans, spans[1:]):
                    self.found += swap(self.text, a, b, c, d, 'arguments')
        elif self.peek() == '{':
            self.table()
        else:
            self.take()

    def table(self):
        self.take('{')
        while not self.accept('}'):
            start, named = self.here(), False
            if self.accept('['):
                self.expression()
                self.take(']')
                self.take('=')
                named = True
            elif self.t[self.i].kind == 'name' and self.t[self.i + 1].text == '=' and self.t[self.i + 1].kind == 'op':
                self.take()
                self.take()
                named = True
            self.expression()
            if self.peek() in (',', ';'):
                self.take()
                if named:
                    self.add(start, self.last(), '', 'field dropped')
            elif named:
                self.add(start, self.last(), '', 'field dropped')


def lua_sites(text, what):
    parser = LuaFile(text, what)
    parser.block()
    return parser.found
