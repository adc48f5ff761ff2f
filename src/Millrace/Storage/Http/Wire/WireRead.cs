namespace Millrace.Storage.Http.Wire;

/// <summary>Reads a value from JSON.</summary>
internal delegate T WireRead<out T>(ref WireReader json);
