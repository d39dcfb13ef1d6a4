"""A program for tests with gRPC's own xDS client: it calls `xds:///TARGET`, and prints the answering server."""

import sys
import time

import grpc


def main(target: str) -> None:
    """Call until the process is killed."""
    before = ""
    with grpc.insecure_channel(f"xds:///{target}") as channel:
        call: grpc.UnaryUnaryMultiCallable[bytes, bytes] = channel.unary_unary("/test.Echo/Who")
        while True:
            try:
                answer = call(b"", timeout=5).decode()
            except grpc.RpcError as error:
                answer = f"error: {error.code().name}: {error.details()}"
            if answer != before:
                print(answer, flush=True)
            before = answer
            time.sleep(0.01)


if __name__ == "__main__":
    main(sys.argv[1])
