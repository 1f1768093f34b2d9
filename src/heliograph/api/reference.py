"""The reference pages and the OpenAPI description, made from the declarations of the operations (design section 7)."""

import json
from collections.abc import Iterable, Sequence
from itertools import groupby
from typing import Any

from heliograph.api.app import discover
from heliograph.api.inputs import Flag, Integer, Parameter, explain
from heliograph.api.operation import COMMON, Operation
from heliograph.api.refusals import describe
from heliograph.api.render import render
from heliograph.api.shapes import ERROR, Ack, Error, Field, Record, Rows, Sections, Shape, Type
from heliograph.core.reasons import Reason

FOLDER = "docs/reference"
_FORMATS = ("text", "values between commas", "XML", "JSON")
_EVERYWHERE = (
    (2, "Wrong login, password or key; account blocked, or address outside the account's list"),
    (4, "Address banned for a while after many failures"),
    (9, "Too many requests: identical ones within a minute, or at once"),
)
_MADE = "<!-- Made by `heliograph reference` from the code; edit the declarations, not this page. -->"


def pages(operations: Sequence[Operation] | None = None) -> dict[str, str]:
    """Every page by its path in the repository."""
    found = sorted(discover() if operations is None else operations, key=lambda operation: operation.name)
    texts = {f"{FOLDER}/{operation.name}.md": write_page(operation) for operation in found}
    texts[f"{FOLDER}/README.md"] = _write_index(found)
    texts[f"{FOLDER}/openapi.json"] = json.dumps(describe_api(found), ensure_ascii=False, indent=2) + "\n"
    return texts


def write_page(operation: Operation) -> str:
    """The page of one operation, Markdown."""
    flag = f"?{operation.flag}=1" if operation.flag else ""
    other = "".join(f"; `POST` `{path}` with a JSON object" for path in operation.paths[1:])
    lines = [
        f"# {operation.title}", "", _MADE, "", operation.help, "",
        f"`GET` or `POST` `{operation.paths[0]}{flag}`{other}.", "",
        "## Parameters", "", "| Name | Meaning | Values | Default |", "| --- | --- | --- | --- |",
        *(_write_parameter(parameter) for parameter in (*operation.parameters, *COMMON)),
        "", "## Replies",
    ]  # fmt: skip
    if operation.gives:
        lines += ["", f"{operation.gives}."]
    for when, shape in operation.replies:
        lines += ["", f"### {when}", *_write_reply(shape)]
    lines += [
        "",
        "## Errors",
        *_write_formats(ERROR, describe(Reason.BAD_PARAMETERS)),
        "",
        "| Number | When |",
        "| --- | --- |",
    ]
    lines += [f"| {number} | {_cell(when)} |" for number, when in sorted((*operation.errors, *_EVERYWHERE))]
    if operation.limits:
        lines += ["", "## Limits", "", *(f"* {limit}" for limit in operation.limits)]
    return "\n".join(lines) + "\n"


def _write_index(operations: Iterable[Operation]) -> str:
    lines = ["# HTTP API", "", _MADE, "", "| Operation | Address | |", "| --- | --- | --- |"]
    for operation in operations:
        flag = f"?{operation.flag}=1" if operation.flag else ""
        address = f"`{operation.paths[0]}{flag}`"
        lines.append(f"| [{operation.name}]({operation.name}.md) | {address} | {_cell(operation.help)} |")
    lines += ["", "The same as [OpenAPI 3.1](openapi.json)."]
    return "\n".join(lines) + "\n"


def _write_parameter(parameter: Parameter) -> str:
    default = "required" if parameter.required else parameter.default
    cells = (f"`{parameter.name}`", parameter.help, explain(parameter), default)
    return "| " + " | ".join(_cell(cell) for cell in cells) + " |"


def _cell(text: str) -> str:
    return text.replace("|", "\\|")


def _write_reply(shape: Shape) -> list[str]:
    lines = _write_formats(shape, _sample(shape))
    fields = list(_fields_of(shape))
    if fields:
        lines += ["", "| Field | Meaning |", "| --- | --- |"]
        lines += [f"| `{field.key}` | {_cell(field.help)} |" for field in fields]
    return lines


def _write_formats(shape: Shape, value: Any) -> list[str]:
    lines: list[str] = []
    for fmt, name in enumerate(_FORMATS):
        lines += ["", f"fmt={fmt}, {name}:", "", "```", render(shape, value, fmt), "```"]
    return lines


def _fields_of(shape: Shape) -> Iterable[Field]:
    if isinstance(shape, Record):
        return shape.fields
    if isinstance(shape, Rows):
        return shape.item.fields
    if isinstance(shape, Sections):
        return (*shape.head.fields, *(field for _, rows in shape.lists for field in rows.item.fields), *shape.tail)
    return ()


def _sample(shape: Shape) -> Any:
    """A value whose texts are the names of their fields, as the reference pages of the service write them."""
    if isinstance(shape, Record):
        return _sample_fields(shape.fields)
    if isinstance(shape, Rows):
        return [_sample(shape.item)]
    if isinstance(shape, Sections):
        lists = {name: _sample(rows) for name, rows in shape.lists}
        return {**_sample(shape.head), **lists, **_sample_fields(shape.tail)}
    return None


def _sample_fields(fields: Iterable[Field]) -> dict[str, Any]:
    return {
        field.key: [field.item] * 2 if field.item else field.key if field.type is Type.STRING else 1 for field in fields
    }


# -- OpenAPI 3.1 ----------------------------------------------------------------------------------------------------


def describe_api(operations: Sequence[Operation]) -> dict[str, Any]:
    """The whole API as an OpenAPI 3.1 document; operations that share a page share its address."""
    paths: dict[str, Any] = {}
    schemas: dict[str, Any] = {"Error": describe_shape(ERROR)}
    by_page = sorted(operations, key=lambda operation: operation.page)
    for page, group in groupby(by_page, key=lambda operation: operation.page):
        found = tuple(group)
        path, *rest = found[0].paths
        name = page.title().replace("_", "")
        schemas[f"{name}Request"] = _describe_request(found)
        schemas[f"{name}Reply"] = _describe_replies(found)
        post, json_post = (_describe_post(found, name, kind) for kind in ("form", "json"))
        paths[path] = {"get": _describe_get(found, name), "post": post}
        paths |= {other: {"post": json_post} for other in rest}
    return {
        "openapi": "3.1.0",
        "info": {
            "title": "Heliograph",
            "version": "1",
            "description": "Errors are answered with HTTP status 200, as are results.",
        },
        "paths": paths,
        "components": {"schemas": schemas},
    }


_MEDIA = {"form": "application/x-www-form-urlencoded", "json": "application/json"}


def _merge_parameters(operations: Sequence[Operation]) -> list[Parameter]:
    """The parameters of all operations of a page; one that only some require is optional."""
    merged: dict[str, Parameter] = {}
    for operation in operations:
        if operation.flag:
            merged[operation.flag] = Flag(operation.flag, operation.title)
        merged |= {parameter.name: parameter for parameter in operation.parameters}
    return [*merged.values(), *COMMON]


def _describe_replies(operations: Sequence[Operation]) -> dict[str, Any]:
    """Any reply of a page's operations, or an error."""
    shapes: list[dict[str, Any]] = []
    for operation in operations:
        for _, shape in operation.replies:
            schema = describe_shape(shape)
            if schema not in shapes:
                shapes.append(schema)
    return {"anyOf": [*shapes, {"$ref": "#/components/schemas/Error"}]}


def _describe_request(operations: Sequence[Operation]) -> dict[str, Any]:
    """The parameters of a page as an object."""
    parameters = _merge_parameters(operations)
    properties = {
        parameter.name: {**_describe_parameter(parameter), "description": f"{parameter.help} ({explain(parameter)})"}
        for parameter in parameters
    }
    required = [parameter.name for parameter in parameters if parameter.required] if len(operations) == 1 else []
    return _object(properties, required)


def _describe_call(operations: Sequence[Operation], name: str, how: str) -> dict[str, Any]:
    text = {"schema": {"type": "string"}}
    reply = {"schema": {"$ref": f"#/components/schemas/{name}Reply"}}
    return {
        "operationId": f"{how}{name}",
        "summary": "; ".join(operation.title for operation in operations),
        "description": " ".join(operation.help for operation in operations),
        "responses": {
            "200": {
                "description": "Result or error",
                "content": {"application/json": reply, "text/plain": text, "text/xml": text},
            }
        },
    }


def _describe_get(operations: Sequence[Operation], name: str) -> dict[str, Any]:
    described = _describe_call(operations, name, "get")
    described["parameters"] = [
        {
            "name": parameter.name,
            "in": "query",
            "required": parameter.required and len(operations) == 1,
            "description": f"{parameter.help} ({explain(parameter)})",
            "schema": _describe_parameter(parameter),
        }
        for parameter in _merge_parameters(operations)
    ]
    return described


def _describe_post(operations: Sequence[Operation], name: str, kind: str) -> dict[str, Any]:
    body = {"schema": {"$ref": f"#/components/schemas/{name}Request"}}
    return {**_describe_call(operations, name, kind), "requestBody": {"content": {_MEDIA[kind]: body}}}


def _describe_parameter(parameter: Parameter) -> dict[str, Any]:
    if isinstance(parameter, Flag):
        return {"type": "integer", "enum": [0, 1]}
    if isinstance(parameter, Integer):
        lowest = 0 if parameter.zero_is_absent else parameter.low
        return {"type": "integer", "minimum": lowest, "maximum": parameter.high}
    return {"type": "string"}


def describe_shape(shape: Shape) -> dict[str, Any]:
    """The JSON schema of a reply in format 3."""
    if isinstance(shape, Rows):
        return {"type": "array", "items": describe_shape(shape.item)}
    if isinstance(shape, Ack):
        return _object({"result": {"const": shape.word}}, ["result"])
    if isinstance(shape, Error):
        number = {"type": "integer"}
        return _object({"error": {"type": "string"}, "error_code": number, "id": {}}, ["error", "error_code"])
    if isinstance(shape, Sections):
        schema = describe_shape(shape.head)
        schema["properties"] |= {name: describe_shape(rows) for name, rows in shape.lists}
        schema["properties"] |= {field.key: _describe_field(field) for field in shape.tail}
        if shape.tail:
            schema["required"] = [*schema.get("required", ()), *_always(shape.tail)]
        return schema
    return _object({field.key: _describe_field(field) for field in shape.fields}, _always(shape.fields))


def _always(fields: Iterable[Field]) -> list[str]:
    """The keys that format 3 always has."""
    return [field.key for field in fields if "3" not in field.none and "3" not in field.zero]


def _object(properties: dict[str, Any], required: list[str]) -> dict[str, Any]:
    return {"type": "object", "properties": properties, **({"required": required} if required else {})}


def _describe_field(field: Field) -> dict[str, Any]:
    types = {Type.STRING: "string", Type.NUMBER: "number", Type.EITHER: ["integer", "string"]}
    if field.item:
        return {"type": "array", "items": {"type": types[field.type]}, "description": field.help}
    return {"type": types[field.type], "description": field.help}
