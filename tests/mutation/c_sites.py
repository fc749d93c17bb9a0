"""The changes that can be made to C as clang-format lays it out: binary operators stand between spaces, a pointer's star does not."""
from sites import ARITHMETIC, COMMUTATIVE, RELATIONS, Site, number_sites, pairs, split_at_commas, swap
from tokens import c_tokens

CONTROL = {'if', 'while', 'for', 'switch', 'return', 'sizeof', 'else', 'do', 'case', 'goto', 'break', 'continue'}
OPTIONS = {'desc', 'options'}
TWINS = {'fmin': 'fmax', 'fmax': 'fmin', 'fminf': 'fmaxf', 'fmaxf': 'fminf', 'floor': 'ceil', 'ceil': 'floor', 'true': 'false',
         'false': 'true', 'floorf': 'ceilf', 'ceilf': 'floorf', 'v_min': 'v_max', 'v_max': 'v_min', 'MIN': 'MAX', 'MAX': 'MIN',
         'anet__min_i': 'anet__max_i', 'anet__max_i': 'anet__min_i', 'break': 'continue', 'continue': 'break'}


class CFile:
    def __init__(self, text, what):
        self.text, self.tokens = text, c_tokens(text, what)
        self.partner = pairs(self.tokens)
        self.body = self._bodies()

    def _bodies(self):
        """For each token inside a function, what an early return gives there."""
        tokens, inside, i = self.tokens, {}, 0
        while i < len(tokens):
            t = tokens[i]
            if t.text == '{' and t.kind == 'op':
                end = self.partner.get(i, i)
                if i and tokens[i - 1].text == ')':
                    header = self._header(i)
                    void = 'void' in header and '*' not in header
                    for k in range(i + 1, end):
                        inside[k] = 'return;' if void else 'return 0;'
                i = end
            i += 1
        return inside

    def _header(self, brace):
        i = self.partner.get(brace - 1, brace - 1) - 1
        words = []
        while i >= 0 and self.tokens[i].text not in (';', '}'):
            words.append(self.tokens[i].text)
            i -= 1
        return words[1:]

    def spaced(self, i):
        t = self.tokens[i]
        return self.text[t.start - 1].isspace() and t.end < len(self.text) and self.text[t.end].isspace()

    def operand_after(self, i):
        """The end of the simple operand that begins at token i."""
        tokens = self.tokens
        while tokens[i].text in ('-', '!', '~', '*', '&'):
            i += 1
        if tokens[i].text == '(':
            i = self.partner[i]
            if tokens[i + 1].kind in ('name', 'number') or tokens[i + 1].text == '(':
                return self.operand_after(i + 1)  # a cast
        while i + 1 < len(tokens):
            if tokens[i + 1].text in ('(', '['):
                i = self.partner[i + 1]
            elif tokens[i + 1].text in ('.', '->'):
                i += 2
            else:
                return i
        return i

    def operand_before(self, i):
        tokens = self.tokens
        while True:
            if tokens[i].text in (')', ']'):
                i = self.partner[i]
                if tokens[i - 1].kind == 'name' and tokens[i - 1].text not in CONTROL or tokens[i - 1].text == ']':
                    i -= 1
                    continue
                return i
            if tokens[i - 1].text in ('.', '->'):
                i -= 2
                continue
            return i

    def sites(self):
        found = []
        for i in self.body:
            found += self.token_sites(i)
            found += self.statement_sites(i)
        for i, t in enumerate(self.tokens):
            if t.kind == 'number' and i not in self.body:
                found += number_sites(t)
        return found

    def token_sites(self, i):
        t, tokens = self.tokens[i], self.tokens
        before, after = tokens[i - 1], tokens[i + 1]
        if t.kind == 'number':
            return [] if self.in_declarator(i) else number_sites(t)
        if t.kind == 'name':
            return self.name_sites(i)
        if t.text == '!':
            return [Site(t.start, t.end, '', 'negation dropped')]
        if t.text == '-' and not self.spaced(i) and (before.text in ('(', ',', '=', 'return', '[', '?', ':', '*', '/') or
                                                     before.text in RELATIONS) and after.kind != 'op':
            return [Site(t.start, t.end, '', 'sign')]
        if t.kind != 'op' or not self.spaced(i):
            return []
        if t.text in RELATIONS:
            return [Site(t.start, t.end, new, 'relation') for new in RELATIONS[t.text]]
        if t.text in ('==', '!='):
            return [Site(t.start, t.end, '!=' if t.text == '==' else '==', 'relation')]
        if t.text in ('&&', '||'):
            return [Site(t.start, t.end, '||' if t.text == '&&' else '&&', 'logic')] + self.dropped_operand(i)
        if t.text in ARITHMETIC:
            return [Site(t.start, t.end, ARITHMETIC[t.text], 'arithmetic')] + self.swapped_operands(i)
        other = {'+=': '-=', '-=': '+=', '*=': '/=', '|=': '=', '<<': '>>', '>>': '<<', '&': '|', '|': '&', '&=': '='}.get(t.text)
        return [Site(t.start, t.end, other, 'arithmetic')] if other else []

    def in_declarator(self, i):
        """The size of an array that is declared."""
        tokens = self.tokens
        return (tokens[i - 1].text == '[' and tokens[i + 1].text == ']' and tokens[i - 2].kind == 'name' and
                (tokens[i - 3].kind == 'name' and tokens[i - 3].text not in CONTROL or tokens[i - 3].text in ('*', ',')))

    def dropped_operand(self, i):
        tokens, k = self.tokens, i + 1
        while k < len(tokens) and tokens[k].text not in (')', ']', '}', ';', ',', '?', ':', '||', '&&'):
            k = self.partner[k] + 1 if tokens[k].text in ('(', '[', '{') else k + 1
        return [Site(tokens[i].start, tokens[k - 1].end, '', 'condition dropped')]

    def swapped_operands(self, i):
        if self.tokens[i].text not in ('-', '/', '%'):
            return []
        a, d = self.operand_before(i - 1), self.operand_after(i + 1)
        t = self.tokens
        return swap(self.text, t[a].start, t[i - 1].end, t[i + 1].start, t[d].end, 'operands')

    def name_sites(self, i):
        t, tokens = self.tokens[i], self.tokens
        if t.text in TWINS:
            return [Site(t.start, t.end, TWINS[t.text], 'twin')]
        if t.text in ('if', 'while') and tokens[i + 1].text == '(':
            a, b = tokens[i + 1], tokens[self.partner[i + 1]]
            news = ('false', 'true') if t.text == 'if' else ('false',)
            return [Site(a.end, b.start, new, 'condition') for new in news]
        if t.text in OPTIONS and tokens[i + 1].text in ('->', '.') and tokens[i + 3].text not in ('=', '.', '->', '[', '('):
            return [Site(t.start, tokens[i + 2].end, '0', 'option ignored')]
        if tokens[i + 1].text == '(' and t.text not in CONTROL and t.text not in COMMUTATIVE:
            return self.swapped_arguments(i + 1)
        return []

    def swapped_arguments(self, i):
        found, t = [], self.tokens
        parts = split_at_commas(t, self.partner, i + 1, self.partner[i] - 1)
        for (a, b), (c, d) in zip(parts, parts[1:]):
            if t[a].kind != 'string' and t[c].kind != 'string':
                found += swap(self.text, t[a].start, t[b].end, t[c].start, t[d].end, 'arguments')
        return found

    def statement_sites(self, i):
        tokens = self.tokens
        if not (tokens[i - 1].text in (';', '{', '}', 'else') or self.closes_control(i - 1)) or tokens[i].text in CONTROL:
            return []
        if tokens[i].text == 'ANET_ASSERT':
            return []  # what it asserts holds
        k, assigned = i, False
        while k < len(tokens) and tokens[k].text != ';':
            t = tokens[k]
            if not assigned and k > i and t.kind == 'name' and tokens[k - 1].kind == 'name':
                return []  # a declaration
            if not assigned and t.text == '*' and k > i:
                return []
            if t.text in ('{', '}', ':', '?') and not assigned:
                return []
            assigned = assigned or t.text == '=' or t.text.endswith('=') and t.text not in ('==', '!=', '<=', '>=')
            k = self.partner[k] + 1 if t.text in ('(', '[', '{') and k in self.partner else k + 1
        if k >= len(tokens) or not assigned and tokens[k - 1].text not in (')', '++', '--'):
            return []
        begin, end = tokens[i].start, tokens[k].end
        return [Site(begin, end, ';', 'statement dropped'),
                Site(begin, begin, self.body[i] + ' ', 'early return')]

    def closes_control(self, i):
        t = self.tokens
        return t[i].text == ')' and t[self.partner[i] - 1].text in ('if', 'while', 'for')


def c_sites(text, what):
    return CFile(text, what).sites()
