# SPDX-License-Identifier: BSD-2-Clause
"""Mechanical mutants of a C file: from its text to a list of small changes, by its tokens alone.

What is changed, one place at a time:

    operator    < <= > >= == != && || + - * / % << >> & | ^, the assignments made of them, ++ and -- are exchanged; ~ ! and the
                unary - are taken away
    constant    a whole number becomes one more and one less (0: one more); true and false are exchanged
    statement   an expression statement, break, continue, goto and a return without value are dropped
    condition   of if, while, do, for and ?: is negated
    return      the value of a function of type bool is negated, that of an integer one becomes 0, or -1 where it was MM_OK

What is left alone: comments, strings, preprocessor lines, declarations but for their initialisers, types, attributes and
lock annotations, _Static_assert, and what is only said (the arguments of log_*(), panic() and finding()). A file is read
as the house writes C: no macro that opens a block, none that hides a statement's semicolon.
"""

import bisect
import re

TOKEN = re.compile(
    r"""(?P<space>[ \t\r\f\v\n]+)
      | (?P<comment>//[^\n]*|/\*.*?\*/)
      | (?P<string>"(?:\\.|[^"\\\n])*")
      | (?P<char>'(?:\\.|[^'\\\n])*')
      | (?P<number>(?:0[xX][0-9a-fA-F]+|\d+)[uUlL]*(?![\w.]))
      | (?P<other>\.?\d[\w.]*)
      | (?P<word>[A-Za-z_]\w*)
      | (?P<op><<=|>>=|\.\.\.|->|\+\+|--|<<|>>|<=|>=|==|!=|&&|\|\||[-+*/%&|^]=|[-+*/%&|^~!<>=?:;,.()\[\]{}])
    """, re.X | re.S)

SWAP = {
    "<": ("<=", ">="), "<=": ("<", ">"), ">": (">=", "<="), ">=": (">", "<"), "==": ("!=",), "!=": ("==",),
    "&&": ("||",), "||": ("&&",), "+": ("-",), "-": ("+",), "*": ("/",), "/": ("*",), "%": ("/",), "<<": (">>",),
    ">>": ("<<",), "&": ("|",), "|": ("&",), "^": ("|",), "+=": ("-=",), "-=": ("+=",), "*=": ("/=",), "/=": ("*=",),
    "%=": ("/=",), "<<=": (">>=",), ">>=": ("<<=",), "&=": ("|=",), "|=": ("&=",), "^=": ("|=",), "++": ("--",),
    "--": ("++",),
}
COMPARISONS = {"<", "<=", ">", ">=", "==", "!="}
ASSIGNMENTS = {"=", "+=", "-=", "*=", "/=", "%=", "<<=", ">>=", "&=", "|=", "^="}
TYPE_WORDS = set("void char short int long signed unsigned float double bool _Bool const volatile restrict static extern "
                 "register auto inline struct union enum _Alignas _Thread_local typedef noinline always_inline "
                 "must_check".split())
INTEGER_TYPES = {"int", "unsigned", "long", "short", "char", "uint64_t", "uint32_t", "uint16_t", "uint8_t", "uintptr_t",
                 "size_t", "int64_t", "int32_t"}
# Their arguments, in parentheses, are nothing that a test of behaviour could see, or no expressions at all.
SILENT = re.compile(r"log_(?:error|info|verbose|warn|debug)$|panic$|finding$|_Static_assert$|__attribute__$|_Alignas$|__asm__$|"
                    r"asm$|REQUIRES$|ACQUIRE$|RELEASE$|TRY_ACQUIRE$|EXCLUDES$|CAPABILITY$|offsetof$|printf_like$|TS_ATTR$")
KEYWORDS = set("if else while do for switch case default return break continue goto sizeof _Alignof".split())
OPEN, CLOSE = {"(": ")", "[": "]", "{": "}"}, {")", "]", "}"}


class Unreadable(Exception):
    """The file is not written as this module reads C."""


class Token:
    __slots__ = ("kind", "text", "at", "end")

    def __init__(self, kind, text, at):
        self.kind, self.text, self.at, self.end = kind, text, at, at + len(text)

    def __repr__(self):
        return "%s@%d" % (self.text, self.at)


class Mutant:
    """text[at:end] becomes `new`. span: the lines of the statement it stands in (for coverage); function: None outside of any."""

    def __init__(self, path, kind, at, end, old, new):
        self.path, self.kind, self.at, self.end, self.old, self.new = path, kind, at, end, old, new
        self.line = self.column = 0
        self.line_text, self.function, self.span, self.id, self.key = "", None, (0, 0), "", ""

    def describe(self):
        if self.kind == "statement":
            return "dropped: " + self.old
        if self.new.startswith("!("):
            return "negated: " + self.old
        if self.new == "":
            return self.old + " dropped"
        return "%s -> %s" % (self.old, self.new)

    def apply(self, text):
        return text[: self.at] + self.new + text[self.end:]


class Function:
    """name, [first line, last line], and the words before the name."""

    def __init__(self, name, type_words, first, last):
        self.name, self.type_words, self.first, self.last = name, type_words, first, last


def lex(text, path="?"):
    """The tokens that a compiler sees outside of preprocessor lines."""
    tokens, at, line_begins = [], 0, True
    while at < len(text):
        if line_begins and text[at] == "#":
            while True:
                end = text.find("\n", at)
                end = len(text) if end < 0 else end
                more = text[at:end].rstrip().endswith("\\")
                at = end + 1
                if not more or at >= len(text):
                    break
            continue
        match = TOKEN.match(text, at)
        if not match:
            raise Unreadable("%s: no token of C at %r" % (path, text[at:at + 20]))
        kind, word = match.lastgroup, match.group()
        if kind == "space":
            line_begins = line_begins or "\n" in word
        elif kind != "comment":
            line_begins = False
            tokens.append(Token(kind, word, at))
        at = match.end()
    return tokens


def match_brackets(tokens, path):
    """{index of an opening bracket: index of its closing one}, and the reverse in the same."""
    pairs, stack = {}, []
    for i, token in enumerate(tokens):
        if token.kind != "op":
            continue
        if token.text in OPEN:
            stack.append(i)
        elif token.text in CLOSE:
            if not stack or OPEN[tokens[stack[-1]].text] != token.text:
                raise Unreadable("%s: unmatched %s" % (path, token.text))
            pairs[i] = stack[-1]
            pairs[stack.pop()] = i
    if stack:
        raise Unreadable("%s: unmatched %s" % (path, tokens[stack[-1]].text))
    return pairs


def is_type_word(token):
    return token.kind == "word" and (token.text in TYPE_WORDS or token.text.endswith(("_t", "_fn")))


class Reader:
    """Finds the mutants of one file."""

    def __init__(self, path, text):
        self.path, self.text = path, text
        self.tokens = lex(text, path)
        self.pairs = match_brackets(self.tokens, path)
        self.line_at = [0] + [i + 1 for i, c in enumerate(text) if c == "\n"]
        self.mutants, self.functions = [], []
        self.silent = self.silent_tokens()
        self.read_file()
        self.mutants.sort(key=lambda m: (m.at, m.end, m.new))
        self.finish()

    def line_of(self, at):
        return bisect.bisect_right(self.line_at, at)

    # ---- tokens ----

    def silent_tokens(self):
        """Indices inside parentheses whose content is left alone."""
        silent = set()
        for i, token in enumerate(self.tokens[:-1]):
            if token.kind == "word" and SILENT.match(token.text) and self.tokens[i + 1].text == "(":
                silent.update(range(i + 1, self.pairs[i + 1] + 1))
        return silent

    def is_cast(self, close):
        """Whether the parentheses that end at `close` hold a type."""
        first = self.pairs[close]
        inner = self.tokens[first + 1:close]
        if not inner or (first and self.tokens[first - 1].kind == "word" and self.tokens[first - 1].text not in KEYWORDS):
            return False
        tag = False
        for token in inner:
            if not (tag or is_type_word(token) or token.text == "*"):
                return False
            tag = token.text in ("struct", "union", "enum")
        return inner[0].text != "*"

    def is_binary(self, i):
        """Whether the operator at i has a left operand."""
        if i == 0:
            return False
        before = self.tokens[i - 1]
        if before.text == ")":
            return not self.is_cast(i - 1)
        if before.kind == "word":
            return before.text not in KEYWORDS
        return before.kind in ("number", "other", "string", "char") or before.text in ("]", "++", "--")

    def is_declarator_star(self, i):
        """struct buddy *b, page_word_t *p, (struct page *)x: no product."""
        before = self.tokens[i - 1]
        tag = i >= 2 and self.tokens[i - 2].text in ("struct", "union", "enum")
        return tag or is_type_word(before) or before.text == "*"

    # ---- the mutants of tokens ----

    def add(self, kind, at, end, new, span, function, old=None):
        mutant = Mutant(self.path, kind, at, end, old if old is not None else self.text[at:end], new)
        mutant.span = (self.line_of(self.tokens[span[0]].at), self.line_of(self.tokens[span[1] - 1].at))
        mutant.function = function
        self.mutants.append(mutant)

    def expression(self, begin, end, function):
        """Operators and constants among tokens [begin, end), which belong to one statement or initialiser."""
        for i in range(begin, end):
            token = self.tokens[i]
            if i in self.silent:
                continue
            here = (token.at, token.end)
            if token.kind == "number":
                for new in off_by_one(token.text):
                    self.add("constant", *here, new, (begin, end), function)
            elif token.text in ("true", "false"):
                self.add("constant", *here, "false" if token.text == "true" else "true", (begin, end), function)
            elif token.kind == "op":
                if token.text in ("~", "!"):
                    self.add("operator", *here, "", (begin, end), function)
                elif token.text == "-" and not self.is_binary(i):
                    self.add("operator", *here, "", (begin, end), function)
                elif token.text in ("+", "*", "&") and not self.is_binary(i):
                    continue
                elif token.text == "*" and self.is_declarator_star(i):
                    continue
                else:
                    for new in SWAP.get(token.text, ()):
                        self.add("operator", *here, new, (begin, end), function)
                    if token.text == "?":
                        self.ternary(i, begin, end, function)

    def ternary(self, i, begin, end, function):
        """The condition before the ? at i."""
        first = i
        while first > begin:
            before = self.tokens[first - 1]
            if before.text in CLOSE:
                first = self.pairs[first - 1]
            elif before.text in OPEN or before.text in ASSIGNMENTS or before.text in (",", ";", "?", ":", "return"):
                break
            else:
                first -= 1
        self.condition(first, i, (begin, end), function)

    def condition(self, begin, end, span, function, kind="condition"):
        """Tokens [begin, end) are a condition."""
        if begin == end:
            return
        inner = self.tokens[begin:end]
        operators = [t.text for t in inner if t.kind == "op" and (t.text in SWAP or t.text in ("!", "~", "?", "="))]
        # Exchanged, the only operator says the same.
        if operators in (["=="], ["!="]) or (operators == ["!"] and inner[0].text == "!"):
            return
        if len(inner) == 1 and inner[0].text in ("true", "false"):
            return
        at, stop = inner[0].at, inner[-1].end
        self.add(kind, at, stop, "!(" + self.text[at:stop] + ")", span, function)

    # ---- statements ----

    def find(self, words, i, end):
        """Index of the first of these tokens at this depth from i on."""
        while i < end:
            token = self.tokens[i]
            if token.text in words and token.kind == "op":
                return i
            i = self.pairs[i] + 1 if token.text in OPEN and token.kind == "op" else i + 1
        raise Unreadable("%s:%d: no %s" % (self.path, self.line_of(self.tokens[end - 1].at), " or ".join(words)))

    def block(self, i, end, function):
        while i < end:
            i = self.statement(i, end, function)

    def statement(self, i, end, function):
        """Reads the statement at i; returns the index behind it."""
        token = self.tokens[i]
        word = token.text
        if word == "{":
            self.block(i + 1, self.pairs[i], function)
            return self.pairs[i] + 1
        if word in ("if", "while", "switch"):
            close = self.pairs[i + 1]
            self.expression(i, close + 1, function)
            if word != "switch":
                self.condition(i + 2, close, (i, close + 1), function)
            i = self.statement(close + 1, end, function)
            if word == "if" and i < end and self.tokens[i].text == "else":
                i = self.statement(i + 1, end, function)
            return i
        if word == "for":
            close = self.pairs[i + 1]
            first = self.find((";",), i + 2, close)
            second = self.find((";",), first + 1, close)
            self.expression(i, close + 1, function)
            self.condition(first + 1, second, (i, close + 1), function)
            return self.statement(close + 1, end, function)
        if word == "do":
            i = self.statement(i + 1, end, function)
            close = self.pairs[i + 1]
            self.expression(i, close + 1, function)
            self.condition(i + 2, close, (i, close + 1), function)
            return close + 2
        if word in ("case", "default"):
            colon = self.find((":",), i, end)
            self.expression(i, colon, function)
            return colon + 1
        if token.kind == "word" and word not in KEYWORDS and self.tokens[i + 1].text == ":":
            return i + 2
        if word == ";":
            return i + 1
        stop = self.find((";",), i, end)
        if word == "return":
            self.returned(i, stop, function)
        elif word in ("break", "continue", "goto"):
            self.drop(i, stop, function)
        elif self.is_declaration(i, stop):
            self.declaration(i, stop, function)
        elif i not in self.silent and word not in ("_Static_assert", "__asm__", "asm"):
            self.expression(i, stop, function)
            self.drop(i, stop, function)
        return stop + 1

    def drop(self, i, stop, function):
        at, end = self.tokens[i].at, self.tokens[stop - 1].end
        self.add("statement", at, end, "", (i, stop + 1), function)

    def returned(self, i, stop, function):
        self.expression(i, stop, function)
        if i + 1 == stop:
            self.drop(i, stop, function)
            return
        value = self.tokens[i + 1:stop]
        at, end = value[0].at, value[-1].end
        kind = self.functions[-1].type_words if self.functions else []
        if "*" in kind or value[0].text in ("true", "false"):
            return
        if "bool" in kind:
            self.condition(i + 1, stop, (i, stop), function, "return")
        elif INTEGER_TYPES & set(kind) and not (len(value) == 1 and value[0].kind == "number"):
            self.add("return", at, end, "-1" if value[0].text == "MM_OK" else "0", (i, stop), function)

    def is_declaration(self, i, stop):
        first, second = self.tokens[i], self.tokens[i + 1]
        if first.kind != "word":
            return False
        if is_type_word(first):
            return True
        # name name, name *name =: a type that this module has not heard of.
        return second.kind == "word" or (second.text == "*" and i + 3 <= stop and self.tokens[i + 2].kind == "word" and
                                         self.tokens[i + 3].text in ("=", ";", ","))

    def declaration(self, i, stop, function):
        """Only the initialisers are expressions; sizes of arrays are not touched."""
        at = i
        while True:
            try:
                equals = self.find(("=",), at, stop)
            except Unreadable:
                return
            comma = stop
            try:
                comma = self.find((",",), equals, stop)
            except Unreadable:
                pass
            self.expression(equals + 1, comma, function)
            at = comma

    # ---- the file ----

    def read_file(self):
        i = begin = 0
        n = len(self.tokens)
        while i < n:
            token = self.tokens[i]
            if token.text == "(" or token.text == "[":
                i = self.pairs[i] + 1
                continue
            if token.text == ";":
                self.outside(begin, i)
                begin = i = i + 1
                continue
            if token.text == "{":
                close = self.pairs[i]
                head = self.tokens[begin:i]
                name = self.function_name(begin, i)
                if name is not None:
                    words = [t.text for t in self.tokens[begin:name]]
                    function = Function(self.tokens[name].text, words, self.line_of(head[0].at),
                                        self.line_of(self.tokens[close].at))
                    self.functions.append(function)
                    self.block(i + 1, close, function)
                    begin = i = close + 1
                    continue
                i = close + 1
                continue
            i += 1

    def function_name(self, begin, end):
        """Index of the name when tokens [begin, end) are a function's head."""
        if any(t.text in ("=", "typedef") for t in self.tokens[begin:end]):
            return None
        i = begin
        while i + 1 < end:
            token, after = self.tokens[i], self.tokens[i + 1]
            if token.kind == "word" and after.text == "(" and not SILENT.match(token.text):
                return i
            i = self.pairs[i] + 1 if token.text in OPEN else i + 1
        return None

    def outside(self, begin, stop):
        """A declaration outside of functions: an object's initialiser is code, an enumeration's or a type's is not."""
        head = self.tokens[begin:stop]
        if any(t.text in ("typedef", "_Static_assert") for t in head) or not any(t.text == "=" for t in head):
            return
        braces = [t.text for t in head]
        if "enum" in braces and "{" in braces and braces.index("{") < braces.index("="):
            return
        self.declaration(begin, stop, None)

    def finish(self):
        """Lines, columns, IDs, and the key by which a survivor is known when lines move."""
        lines = self.text.split("\n")
        seen, keys = {}, {}
        for m in self.mutants:
            m.line = self.line_of(m.at)
            m.column = m.at - self.line_at[m.line - 1] + 1
            m.line_text = " ".join(lines[m.line - 1].split())
            m.old = " ".join(m.old.split())
            place = (m.line, m.column)
            seen[place] = seen.get(place, 0) + 1
            m.id = "%s:%d:%d:%d" % (self.path, m.line, m.column, seen[place])
            name = m.function.name if m.function else "-"
            key = "%s :: %s :: %s :: %s" % (self.path, name, m.describe(), m.line_text)
            keys[key] = keys.get(key, 0) + 1
            if keys[key] > 1:
                key = "%s :: %s :: %s #%d :: %s" % (self.path, name, m.describe(), keys[key], m.line_text)
            m.key = key


def off_by_one(text):
    digits = re.match(r"0[xX][0-9a-fA-F]+|\d+", text).group()
    suffix = text[len(digits):]
    octal = len(digits) > 1 and digits[0] == "0" and digits[1] not in "xX"
    value = int(digits, 8 if octal else 0)
    form = "0x%x" if digits[:2] in ("0x", "0X") else "%d"
    return [form % new + suffix for new in ([value + 1, value - 1] if value else [1])]


def mutants_of(path, text):
    """([Mutant], [Function]) of a file's text, in the order of the text."""
    reader = Reader(path, text)
    return reader.mutants, reader.functions
