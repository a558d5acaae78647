"""`storescope dynamodb`: what belongs to the DynamoDB backend alone."""

from __future__ import annotations

import click


@click.group()
def dynamodb() -> None:
    """Prepare DynamoDB tables for storescope."""


@dynamodb.command()
@click.argument("table")
def cloudformation(table: str) -> None:
    """Print a CloudFormation template of TABLE, the same table that create=true makes.

    Exit codes: 0 printed; 2 usage, or DynamoDB would refuse the name.

    \b
    Example:
      storescope dynamodb cloudformation agent-storage > agent-storage.json
      aws cloudformation deploy --stack-name agent-storage --template-file agent-storage.json
    """
    from storescope.backends._dynamodb_schema import cloudformation as template

    click.echo(template(table))
