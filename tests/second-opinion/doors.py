"""The doors of a stand-in for AWS that lead past the API: its queues and its table, through AWS's own SDK."""

import botocore.config
import botocore.exceptions
import botocore.session

# Each has a queue, `RewardsQueue`, and one for its dead letters, `RewardsDeadLetters`.
QUEUES = ["Rewards", "Surveys", "Messages", "Deliveries"]


class Doors:
    """By the access key it is known who asks. The owner may do everything, and tells the others where things are."""

    def __init__(self, endpoint, region, access_key, secret="test", token=None, owner=None):
        session = botocore.session.get_session()
        session.set_credentials(access_key, secret, token)
        config = botocore.config.Config(retries={"max_attempts": 1}, s3={"addressing_style": "path"})
        self.client = lambda service: session.create_client(
            service, region_name=region, endpoint_url=endpoint, config=config)
        self.owner = owner or self

    def queue(self, name):
        """The URL of a queue by its name in the template, which both emulators put behind that of the stack."""
        urls = self.owner.client("sqs").list_queues()["QueueUrls"]
        return next(url for url in urls if url.rsplit("/", 1)[1].startswith(f"kith-{name}"))

    def table(self):
        names = self.owner.client("dynamodb").list_tables()["TableNames"]
        return next(name for name in names if name.startswith("kith-Table"))

    def send(self, queue, body):
        self.client("sqs").send_message(QueueUrl=self.queue(queue), MessageBody=body)

    def bodies(self, queue):
        """What lies in a queue that nobody works off, at most ten."""
        received = self.client("sqs").receive_message(
            QueueUrl=self.queue(queue), MaxNumberOfMessages=10, VisibilityTimeout=0)
        return [message["Body"] for message in received.get("Messages", [])]

    def put(self, **item):
        """Puts an item of texts into the table, as nobody but a mistake would."""
        self.client("dynamodb").put_item(
            TableName=self.table(), Item={name: {"S": value} for name, value in item.items()})


def is_refused(call):
    """Whether whoever calls may not."""
    try:
        call()
    except botocore.exceptions.ClientError as error:
        return error.response["Error"]["Code"] in ("AccessDenied", "AccessDeniedException")
    return False
