"""Object storage as a tenant uses it: Swift's own interface, and S3 with a stock client."""

from __future__ import annotations

import hashlib
import json
import time
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

import boto3
import pytest
import requests
from botocore.exceptions import ClientError
from openstack.connection import Connection

from tests.integration.conftest import Cloud

if TYPE_CHECKING:
    from agglo_devcloud.layout import Layout

pytestmark = [pytest.mark.integration, pytest.mark.filterwarnings("ignore::PendingDeprecationWarning")]
PASSWORD = "only in this test's cloud"
MIB = 1024 * 1024
SEEN = 1.5  # seconds after which quotas see what was written


@pytest.fixture(scope="module")
def layout(cloud: Cloud) -> Layout:
    return cloud.layout


@pytest.fixture(scope="module")
def tenant(layout: Layout, operator: Connection) -> Iterator[Connection]:
    """A member of a new project; deleted at the end."""
    project = operator.identity.create_project(name="objects", domain_id="default")
    user = operator.identity.create_user(
        name="objects", password=PASSWORD, domain_id="default", default_project_id=project.id
    )
    member = operator.identity.find_role("member")
    operator.identity.assign_project_role_to_user(project, user, member)
    auth = {
        "auth_url": layout.url("keystone", "/v3"),
        "username": "objects",
        "password": PASSWORD,
        "project_name": "objects",
        "user_domain_id": "default",
        "project_domain_id": "default",
    }
    made = Connection(auth=auth, region_name=operator.config.get_region_name(), identity_api_version="3")
    try:
        yield made
    finally:
        operator.identity.delete_user(user)
        operator.identity.delete_project(project)


@pytest.fixture(scope="module")
def swift(tenant: Connection) -> Any:
    """Requests below the tenant's account, with its token; an answer of any status is returned."""
    return Swift(tenant)


class Swift:
    """Swift's API as a tenant sees it."""

    def __init__(self, tenant: Connection) -> None:
        self.endpoint = tenant.object_store.get_endpoint()
        self.token = tenant.session.get_token()

    def __call__(self, method: str, path: str, body: bytes = b"", **headers: str) -> requests.Response:
        named = {"X-Auth-Token": self.token} | {name.replace("_", "-"): value for name, value in headers.items()}
        return requests.request(method, f"{self.endpoint}/{path}", data=body, headers=named, timeout=30)

    def done(self, method: str, path: str, body: bytes = b"", **headers: str) -> requests.Response:
        answer = self(method, path, body, **headers)
        assert answer.ok, f"{method} {path}: {answer.status_code} {answer.text}"
        return answer


def test_a_version_of_an_object_is_read_again_after_it_was_overwritten_and_deleted(swift: Swift) -> None:
    swift.done("PUT", "versions", X_Versions_Enabled="true")
    first = swift.done("PUT", "versions/acte.txt", b"premier").headers["X-Object-Version-Id"]
    swift.done("PUT", "versions/acte.txt", b"second")
    assert swift.done("GET", f"versions/acte.txt?version-id={first}").content == b"premier"
    swift.done("DELETE", "versions/acte.txt")
    assert swift("GET", "versions/acte.txt").status_code == 404
    listed = swift.done("GET", "versions?versions=&format=json").json()
    assert [entry["is_latest"] for entry in listed] == [True, False, False]
    swift.done("PUT", f"versions/acte.txt?version-id={first}")
    assert swift.done("GET", "versions/acte.txt").content == b"premier"


def test_the_older_way_keeps_versions_in_a_container(swift: Swift) -> None:
    """What OpenStack calls ``allow_versioned_writes``."""
    swift.done("PUT", "history")
    swift.done("PUT", "current", X_History_Location="history")
    swift.done("PUT", "current/a", b"1")
    swift.done("PUT", "current/a", b"2")
    (kept,) = swift.done("GET", "history?format=json").json()
    assert swift.done("GET", f"history/{kept['name']}").content == b"1"


def test_a_temporary_address_works_without_a_token_until_it_ends(tenant: Connection, swift: Swift) -> None:
    swift.done("PUT", "temporary")
    swift.done("PUT", "temporary/page", b"bonjour")
    tenant.object_store.set_account_temp_url_key("a key of the tenant's")
    path = swift.endpoint.partition("/v1/")[2]
    host = swift.endpoint.partition("/v1/")[0]
    link = tenant.object_store.generate_temp_url(f"/v1/{path}/temporary/page", 3, "GET")
    assert requests.get(f"{host}{link}", timeout=30).content == b"bonjour"
    assert requests.put(f"{host}{link}", data=b"x", timeout=30).status_code == 401
    assert requests.get(f"{host}{link.replace('page', 'other')}", timeout=30).status_code == 401
    time.sleep(3.5)
    assert requests.get(f"{host}{link}", timeout=30).status_code == 401


def test_a_containers_quota_stops_the_object_that_exceeds_it(swift: Swift) -> None:
    swift.done("PUT", "small", X_Container_Meta_Quota_Bytes="1000", X_Container_Meta_Quota_Count="2")
    swift.done("PUT", "small/a", bytes(900))
    time.sleep(SEEN)
    assert swift("PUT", "small/b", bytes(200)).status_code == 413
    swift.done("PUT", "small/b", bytes(50))
    time.sleep(SEEN)
    assert swift("PUT", "small/c", bytes(1)).status_code == 413


def test_an_accounts_quota_is_the_operators_to_set(operator: Connection, tenant: Connection, swift: Swift) -> None:
    used = int(swift.done("HEAD", "").headers["X-Account-Bytes-Used"])
    assert swift("POST", "", X_Account_Meta_Quota_Bytes="1").status_code == 403
    account = swift.endpoint
    token = {"X-Auth-Token": operator.session.get_token()}
    limit = {"X-Account-Meta-Quota-Bytes": str(used + 1000)}
    assert requests.post(account, headers=token | limit, timeout=30).status_code == 204
    swift.done("PUT", "account")
    assert swift("PUT", "account/large", bytes(2000)).status_code == 413
    swift.done("PUT", "account/less", bytes(500))
    assert requests.post(account, headers=token | {"X-Account-Meta-Quota-Bytes": ""}, timeout=30).status_code == 204
    swift.done("PUT", "account/large", bytes(2000))


def test_a_large_object_is_its_segments_by_list_or_by_prefix(swift: Swift) -> None:
    """Static (a list with digests, checked when it is made) and dynamic (all that begins with a prefix)."""
    parts = [bytes([number]) * MIB for number in range(3)]
    swift.done("PUT", "segments")
    for number, part in enumerate(parts):
        swift.done("PUT", f"segments/file/{number}", part)
    swift.done("PUT", "large")
    listed = [
        {
            "path": f"/segments/file/{number}",
            "size_bytes": MIB,
            "etag": hashlib.md5(part, usedforsecurity=False).hexdigest(),
        }
        for number, part in enumerate(parts)
    ]
    wrong = [{**listed[0], "etag": "0" * 32}]
    assert swift("PUT", "large/static?multipart-manifest=put", json.dumps(wrong).encode()).status_code == 400
    swift.done("PUT", "large/static?multipart-manifest=put", json.dumps(listed).encode())
    swift.done("PUT", "large/dynamic", b"", X_Object_Manifest="segments/file/")
    for name in ("static", "dynamic"):
        assert swift.done("GET", f"large/{name}").content == b"".join(parts)
        span = swift.done("GET", f"large/{name}", Range=f"bytes={MIB - 1}-{MIB}")
        assert (span.status_code, span.content) == (206, b"\x00\x01")
    swift.done("DELETE", "large/static?multipart-manifest=delete")
    assert swift.done("GET", "segments").text == ""


@pytest.fixture(scope="module")
def s3(layout: Layout, tenant: Connection) -> Any:
    """A stock S3 client with EC2 credentials that the tenant made for itself."""
    path = f"{layout.url('keystone', '/v3')}/users/{tenant.current_user_id}/credentials/OS-EC2"
    answer = tenant.session.post(path, json={"tenant_id": tenant.current_project_id})
    made = answer.json()["credential"]
    return client(layout, made["access"], made["secret"])


def client(layout: Layout, access: str, secret: str) -> Any:
    return boto3.client(
        "s3",
        endpoint_url=layout.url("swift"),
        aws_access_key_id=access,
        aws_secret_access_key=secret,
        region_name="RegionOne",
    )


def refusal(call: Any, **arguments: Any) -> str:
    """The code with which S3 refuses a call."""
    with pytest.raises(ClientError) as caught:
        call(**arguments)
    return str(caught.value.response["Error"]["Code"])


def test_s3_reads_what_it_wrote_and_swift_sees_the_same(s3: Any, swift: Swift) -> None:
    s3.create_bucket(Bucket="archives")
    s3.put_object(Bucket="archives", Key="délibérations/2026.pdf", Body=b"%PDF", Metadata={"commune": "67447"})
    found = s3.get_object(Bucket="archives", Key="délibérations/2026.pdf")
    assert (found["Body"].read(), found["Metadata"]) == (b"%PDF", {"commune": "67447"})
    assert swift.done("GET", "archives/délibérations/2026.pdf").content == b"%PDF"
    s3.copy_object(Bucket="archives", Key="copie", CopySource={"Bucket": "archives", "Key": "délibérations/2026.pdf"})
    pages = s3.get_paginator("list_objects_v2").paginate(Bucket="archives", PaginationConfig={"PageSize": 1})
    assert [entry["Key"] for page in pages for entry in page["Contents"]] == ["copie", "délibérations/2026.pdf"]
    assert s3.get_object(Bucket="archives", Key="copie", Range="bytes=0-1")["Body"].read() == b"%P"
    link = s3.generate_presigned_url("get_object", Params={"Bucket": "archives", "Key": "copie"}, ExpiresIn=60)
    assert requests.get(link, timeout=30).content == b"%PDF"


def test_s3_sends_large_files_in_parts(s3: Any) -> None:
    s3.create_bucket(Bucket="parts")
    begun = s3.create_multipart_upload(Bucket="parts", Key="large")
    named = {"Bucket": "parts", "Key": "large", "UploadId": begun["UploadId"]}
    bodies = [b"a" * 5 * MIB, b"b" * MIB]
    sent = [
        {"PartNumber": number, "ETag": s3.upload_part(**named, PartNumber=number, Body=body)["ETag"]}
        for number, body in enumerate(bodies, 1)
    ]
    s3.complete_multipart_upload(**named, MultipartUpload={"Parts": sent})
    assert s3.get_object(Bucket="parts", Key="large")["Body"].read() == b"".join(bodies)
    assert s3.list_multipart_uploads(Bucket="parts").get("Uploads", []) == []


def test_s3_keeps_versions_and_a_deletion_is_undone(s3: Any) -> None:
    s3.create_bucket(Bucket="kept")
    s3.put_bucket_versioning(Bucket="kept", VersioningConfiguration={"Status": "Enabled"})
    first = s3.put_object(Bucket="kept", Key="a", Body=b"1")["VersionId"]
    s3.put_object(Bucket="kept", Key="a", Body=b"2")
    assert s3.get_object(Bucket="kept", Key="a", VersionId=first)["Body"].read() == b"1"
    marker = s3.delete_object(Bucket="kept", Key="a")["VersionId"]
    assert refusal(s3.get_object, Bucket="kept", Key="a") == "NoSuchKey"
    s3.delete_object(Bucket="kept", Key="a", VersionId=marker)
    assert s3.get_object(Bucket="kept", Key="a")["Body"].read() == b"2"


def test_s3_makes_no_object_twice_when_asked_not_to(s3: Any) -> None:
    """``If-None-Match`` works, as locks of clients need; ``If-Match`` is refused, never ignored."""
    s3.create_bucket(Bucket="locks")
    s3.put_object(Bucket="locks", Key="lock", Body=b"mine", IfNoneMatch="*")
    assert refusal(s3.put_object, Bucket="locks", Key="lock", Body=b"other", IfNoneMatch="*") == "PreconditionFailed"
    assert refusal(s3.put_object, Bucket="locks", Key="lock", Body=b"other", IfMatch='"0"') == "NotImplemented"
    assert s3.get_object(Bucket="locks", Key="lock")["Body"].read() == b"mine"


def test_s3_refuses_a_wrong_secret_and_another_projects_bucket(
    layout: Layout, operator: Connection, s3: Any, tenant: Connection
) -> None:
    s3.create_bucket(Bucket="closed")
    access = s3._request_signer._credentials.access_key
    assert refusal(client(layout, access, "x" * 32).list_buckets) == "SignatureDoesNotMatch"
    assert refusal(client(layout, "x" * 32, "x" * 32).list_buckets) == "SignatureDoesNotMatch"
    other = operator.identity.create_project(name="objects-other", domain_id="default")
    try:
        member = operator.identity.find_role("member")
        operator.identity.assign_project_role_to_user(other, tenant.current_user_id, member)
        path = f"{layout.url('keystone', '/v3')}/users/{tenant.current_user_id}/credentials/OS-EC2"
        made = operator.session.post(path, json={"tenant_id": other.id}).json()["credential"]
        stranger = client(layout, made["access"], made["secret"])
        assert [bucket["Name"] for bucket in stranger.list_buckets()["Buckets"]] == []
        assert refusal(stranger.get_object, Bucket="closed", Key="a") in ("NoSuchBucket", "AccessDenied")
    finally:
        operator.identity.delete_project(other)
