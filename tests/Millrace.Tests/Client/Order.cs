using System.ComponentModel.DataAnnotations;

namespace Millrace.Tests.Client;

/// <summary>The message of most tests.</summary>
internal sealed record Order(string Number, [Range(1, 100)] int Quantity = 1);
