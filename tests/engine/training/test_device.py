"""Which errors mean that memory ran out: then a batch is cut, any other error is shown."""

import pytest
import torch

from transferkit.engine.training.device import is_out_of_memory


@pytest.mark.parametrize(
    "message",
    [
        "CUDA out of memory. Tried to allocate 2.00 GiB.",
        "CUDA error: out of memory",
        "cuDNN error: CUDNN_STATUS_ALLOC_FAILED",
        "CUDA error: CUBLAS_STATUS_ALLOC_FAILED when calling `cublasCreate(handle)`",
        "cusolver error: CUSOLVER_STATUS_ALLOC_FAILED, when calling `cusolverDnCreate(handle)`",
        "cuFFT error: CUFFT_ALLOC_FAILED",
        "MPS backend out of memory (MPS allocated: 17.18 GB, other allocations: 384.00 KB, max allowed: 18.13 GB).",
        "HIP out of memory. Tried to allocate 20.00 MiB.",
        "[enforce fail at alloc_cpu.cpp:116] err == 0. DefaultCPUAllocator: can't allocate memory: you tried to allocate 4 bytes",
        "[enforce fail at alloc_cpu.cpp:80] data. DefaultCPUAllocator: not enough memory: you tried to allocate 4 bytes.",
    ],
)
def test_memory_ran_out(message):
    assert is_out_of_memory(RuntimeError(message))


def test_it_has_a_class_of_its_own():
    assert is_out_of_memory(torch.OutOfMemoryError("anything"))


@pytest.mark.parametrize(
    "message",
    [
        "mat1 and mat2 shapes cannot be multiplied (2x3 and 4x5)",
        "cuDNN error: CUDNN_STATUS_EXECUTION_FAILED",
        "CUDA error: CUBLAS_STATUS_NOT_INITIALIZED when calling `cublasCreate(handle)`",
        "Expected all tensors to be on the same device",
    ],
)
def test_any_other_error(message):
    assert not is_out_of_memory(RuntimeError(message))
