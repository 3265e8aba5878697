"""API Gateway's event for the demo's one request, format 2.0, as AWS documents it."""

GET_RECORDS = {
    "version": "2.0",
    "routeKey": "GET /records",
    "rawPath": "/records",
    "rawQueryString": "",
    "headers": {"accept": "application/json"},
    "requestContext": {"http": {"method": "GET", "path": "/records"}, "stage": "$default", "requestId": "test"},
    "isBase64Encoded": False,
}
